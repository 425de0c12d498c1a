package userfunction

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"strconv"
	"time"
)

// Config says where the user function is and what may be asked of it. The zero value of a field means its default;
// only Port has none.
type Config struct {
	// Host and Port are the user function's address. Host defaults to 127.0.0.1.
	Host string
	Port int
	// MaxMessageSize bounds each message received, in bytes, from 1 to 2^31-1. Default 12 MiB (LIM-01). A longer one
	// ends its stream or call with RESOURCE_EXHAUSTED.
	MaxMessageSize int
	// Connections is how many connections the call lane and the stream lane each spread their load over before any of
	// them is full. Default 1, which measures fastest on two cores.
	Connections int
	// MaxConnections bounds the connections of the call lane and, separately, of the stream lane. Default 1024.
	MaxConnections int
	// ConnectTimeout bounds one attempt to connect, up to the user function's first SETTINGS frame. Default 5 s.
	ConnectTimeout time.Duration
	// ReadyWait is how long a call or stream waits for an unreachable user function before it fails with
	// ErrUnavailable, if its context allows that long. Default 1 s.
	ReadyWait time.Duration
	// IdleTimeout is how long a connection beyond Connections may be without a stream before it is closed. Default 30 s.
	IdleTimeout time.Duration
	// Logger gets connections made and lost. Default: none.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Host, "127.0.0.1")
	setDefault(&c.MaxMessageSize, 12<<20)
	setDefault(&c.Connections, 1)
	setDefault(&c.MaxConnections, 1024)
	setDefault(&c.ConnectTimeout, 5*time.Second)
	setDefault(&c.ReadyWait, time.Second)
	setDefault(&c.IdleTimeout, 30*time.Second)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	switch {
	case c.Port < 1 || c.Port > 65535:
		return c, fmt.Errorf("user function port %d: give a port from 1 to 65535", c.Port)
	case c.MaxMessageSize < 1 || c.MaxMessageSize > math.MaxInt32:
		return c, fmt.Errorf("largest message from the user function, %d bytes: give 1 to %d", c.MaxMessageSize, math.MaxInt32)
	case c.Connections < 1 || c.MaxConnections < c.Connections:
		return c, fmt.Errorf("connections to the user function, %d to %d: give at least 1, and no more than the limit", c.Connections, c.MaxConnections)
	case c.ConnectTimeout < 0 || c.ReadyWait < 0 || c.IdleTimeout < 0:
		return c, fmt.Errorf("time-outs towards the user function (%v, %v, %v): give positive ones", c.ConnectTimeout, c.ReadyWait, c.IdleTimeout)
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

func (c Config) address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }
