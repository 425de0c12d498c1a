package userfunction

import (
	"context"
	"net"
	"sync"
	"time"
)

// Pool holds the connections to one user function. All its methods may be called concurrently.
type Pool struct {
	cfg          Config
	disconnected chan struct{}
	// idleEnough is how long a connection must have had no stream for its end to pass as that of an idle one.
	idleEnough time.Duration
	// settle is how long after the abrupt end of one connection those that died with it may go unnoticed; settleTime, but in tests.
	settle time.Duration
	// dialTCP makes the connections.
	dialTCP func(ctx context.Context, network, address string) (net.Conn, error)
	// ctx ends the attempts to connect when the pool is closed; tasks are the goroutines that the pool started.
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	control, calls, streams *lane

	// mu guards everything below, and the lanes and links. It is held for short: never while something blocks.
	mu     sync.Mutex
	closed bool
	timers map[*time.Timer]struct{}
	// probing says that the next attempt to connect decides whether the user function was lost.
	probing bool

	// The gate: see gate.go. epoch counts the user functions met; a link's 0 is none of them. brokenAt is when a member of
	// this epoch last ended abruptly; resolving says that strays will be looked at again.
	epoch     uint64
	admitted  bool
	brokenAt  time.Time
	resolving bool
	// answered is the connection over which the latest Discover was answered; served is set to it until it has proved to
	// be a member and the gate is open.
	answered, served *link
}

// NewPool checks the configuration and returns a pool. It does not connect yet: the first call does.
func NewPool(cfg Config) (*Pool, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: probeAfter, Interval: probeInterval, Count: probeCount}}
	p := &Pool{
		cfg: cfg, disconnected: make(chan struct{}, 1), idleEnough: 10 * time.Second, settle: settleTime, dialTCP: dialer.DialContext,
		timers: make(map[*time.Timer]struct{}), epoch: 1, admitted: true,
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	// Two for control: an error report need not wait for a discovery that takes long, even where each takes a whole
	// connection.
	p.control = p.newLane("control", 1, 2)
	p.calls = p.newLane("calls", cfg.Connections, cfg.MaxConnections)
	p.streams = p.newLane("streams", cfg.Connections, cfg.MaxConnections)
	p.calls.gated, p.streams.gated = true, true
	return p, nil
}

func (p *Pool) newLane(name string, base, most int) *lane {
	return &lane{pool: p, name: name, base: base, most: most, all: make(map[*link]struct{}), lastLimit: assumedLimit}
}

func (p *Pool) lanes() [3]*lane { return [...]*lane{p.control, p.calls, p.streams} }

// Close ends every stream and connection and waits until they are gone. Calls after it, and those that it ended, fail
// with [ErrClosed].
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.tasks.Wait()
		return
	}
	p.closed = true
	p.cancel()
	for timer := range p.timers {
		timer.Stop()
	}
	var last []*link
	for _, ln := range p.lanes() {
		for ln.waiters.Len() > 0 {
			ln.nextWaiter().ready <- closedError()
		}
		for l := range ln.all {
			last = append(last, l)
		}
	}
	p.mu.Unlock()
	for _, l := range last {
		_ = l.client.Close()
	}
	p.tasks.Wait()
}

// after runs f, with the lock held, when the time has passed, unless the pool is closed by then. The caller holds the
// lock too.
func (p *Pool) after(wait time.Duration, f func()) {
	if p.closed {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.timers, timer)
		if !p.closed {
			f()
		}
	})
	p.timers[timer] = struct{}{}
}

// Disconnected delivers one value each time the last usable connection to the user function was lost: the user
// function is gone, or was replaced. A connection that the user function closed politely (GOAWAY, or for being idle)
// or that the pool trimmed is not a loss, provided that the user function answers a new connection at once.
//
// It is always the same channel, with room for one value, meant for one receiver. A loss that nobody has taken yet is
// not delivered twice.
func (p *Pool) Disconnected() <-chan struct{} { return p.disconnected }

func (p *Pool) announceLoss() {
	p.cfg.Logger.Info("no connection to the user function is left", "address", p.cfg.address())
	select {
	case p.disconnected <- struct{}{}:
	default:
	}
}

// reached ends every lane's pause between attempts to connect: the user function is there.
func (p *Pool) reached() {
	p.probing = false
	for _, ln := range p.lanes() {
		ln.lastErr = nil
		if ln.failures > 0 {
			ln.failures, ln.retryAt = 0, time.Time{}
			ln.serve()
		}
	}
}
