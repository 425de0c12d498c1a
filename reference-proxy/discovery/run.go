package discovery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// UserFunction is what discovery needs of the connections to the user function. Run calls its methods one at a time.
type UserFunction interface {
	// Discover asks what the user function serves. It should wait, as long as ctx allows, for the user function to be
	// reachable, so that one that appears is found at once. An error with the gRPC status UNAVAILABLE means that it could not be reached.
	Discover(ctx context.Context, info *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error)
	// ReportError tells the user function what is wrong with it.
	ReportError(ctx context.Context, message string) error
	// Disconnected delivers a value each time no usable connection was left. A loss that nobody has taken yet need not be
	// delivered twice. A GOAWAY, an idle close or a trimmed connection is no loss.
	Disconnected() <-chan struct{}
}

// Sink serves what was discovered. Run calls its methods one at a time; they must not block for long.
type Sink interface {
	// Serve has f served from now on, ready for clients. It is the same *Function as before when the user function was asked
	// again and repeated its answer: then nothing has changed and all state stays (DISC-47).
	Serve(f *Function)
	// Suspend means that no user function is known to be behind the connection any more: until the next Serve no command may
	// be sent, calls get UNAVAILABLE, and the proxy is not ready (DISC-46, DISC-49).
	Suspend()
}

// Config says how to discover. The zero value of every field but Options means its default.
type Config struct {
	// Options says what this proxy serves; its kinds are what ProxyInfo lists.
	Options
	// ProxyName and ProxyVersion are told to the user function (DISC-35). Defaults: cloudstate-proxy, and dev.
	ProxyName, ProxyVersion string
	// Extensions are the optional profiles of SPEC.md that this proxy offers, told to the user function (DISC-64).
	Extensions []string
	// BackoffMin and BackoffMax bound the pause after an answer that cannot be served; defaults 1 s and 10 s. A user function that
	// cannot be reached is tried again sooner at first: after 50 ms.
	BackoffMin, BackoffMax time.Duration
	// BackoffFactor moves each pause up or down at random by up to this part of it, 0 to 1. No default: 0 is none.
	BackoffFactor float64
	// DiscoverTimeout bounds one call of Discover, the wait for a connection included; default 10 s.
	DiscoverTimeout time.Duration
	// ReportTimeout bounds one call of ReportError; default 5 s.
	ReportTimeout time.Duration
	// Logger takes what the operator should know; default slog.Default().
	Logger *slog.Logger
	// Random gives numbers from 0 up to, but not including, 1, for the spread of the pauses; default math/rand.
	Random func() float64
}

// reconnectPause is the first pause after the user function could not be reached.
const reconnectPause = 50 * time.Millisecond

func (c Config) withDefaults() Config {
	if c.ProxyName == "" {
		c.ProxyName = "cloudstate-proxy"
	}
	if c.ProxyVersion == "" {
		c.ProxyVersion = "dev"
	}
	if c.BackoffMin <= 0 {
		c.BackoffMin = time.Second
	}
	if c.BackoffMax <= 0 {
		c.BackoffMax = 10 * time.Second
	}
	if c.DiscoverTimeout <= 0 {
		c.DiscoverTimeout = 10 * time.Second
	}
	if c.ReportTimeout <= 0 {
		c.ReportTimeout = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	return c
}

// info is what the user function is told of this proxy (DISC-02 to DISC-04).
func (c Config) info() *cloudstate.ProxyInfo {
	info := &cloudstate.ProxyInfo{
		ProtocolMajorVersion: ProtocolMajor,
		ProtocolMinorVersion: ProtocolMinor,
		ProxyName:            c.ProxyName,
		ProxyVersion:         c.ProxyVersion,
		Extensions:           c.Extensions,
	}
	for _, kind := range c.Served {
		info.SupportedEntityTypes = append(info.SupportedEntityTypes, kind.String())
	}
	return info
}

// Run discovers the user function and hands it to sink, and again whenever no usable connection to it was left, until ctx ends.
// It asks once per success (DISC-25), and again and again, for ever, while there is no answer that can be served (DISC-21, DISC-22); such an
// answer is logged, and reported to the user function once (DISC-19, DISC-60).
func Run(ctx context.Context, uf UserFunction, cfg Config, sink Sink) {
	cfg = cfg.withDefaults()
	h := &handshake{
		uf:      uf,
		cfg:     cfg,
		sink:    sink,
		log:     cfg.Logger,
		backoff: backoff{max: cfg.BackoffMax, factor: cfg.BackoffFactor, random: cfg.Random},
	}
	for h.settle(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-uf.Disconnected():
			h.sink.Suspend()
			h.log.Info("the user function's last connection was lost; it is asked again what it serves")
		}
	}
}
