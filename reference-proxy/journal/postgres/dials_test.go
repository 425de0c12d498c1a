package postgres

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	servers "github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// TestServerIsNotHammered: while the server is away, many callers that try again at once make few tries to connect. Their
// errors still say what is wrong, and when it is back they are served.
func TestServerIsNotHammered(t *testing.T) {
	own := servers.Run(t, servers.Options{})
	o := fresh(own.URL())
	var tries atomic.Int64
	o.configure = func(c *pgxpool.Config) {
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			tries.Add(1)
			return dial(ctx, network, address)
		}
	}
	s := open(t, o)
	ctx := within(t)
	own.Kill()
	tries.Store(0)
	const callers = 64
	var calls atomic.Int64
	began := time.Now()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for time.Since(began) < time.Second {
				calls.Add(1)
				if _, err := s.GetValue(ctx, cart); !errors.Is(err, journal.ErrUnavailable) {
					t.Errorf("a read of a server that is gone: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	// The pause doubles from 20 ms, less a half by chance, to 500 ms; each time every connection of the pool may be tried.
	const rounds = 12
	if n, most := tries.Load(), int64(rounds*o.MaxConns); n > most || n == 0 {
		t.Errorf("%d tries to connect for %d calls in a second, want at most %d", n, calls.Load(), most)
	}
	t.Logf("%d tries to connect for %d calls", tries.Load(), calls.Load())
	if err := own.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	for {
		_, err := s.GetValue(ctx, cart)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	t.Logf("served %v after it was back", time.Since(back).Round(time.Millisecond))
}

// silent is a connection that may fall silent: what is written goes nowhere, and nothing comes.
type silent struct {
	net.Conn
	fallen atomic.Bool
}

func (c *silent) Write(b []byte) (int, error) {
	if c.fallen.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// TestSilentIdleConnections: a connection that died without a word while it was idle costs a part of a call's time, and
// not the call.
func TestSilentIdleConnections(t *testing.T) {
	o := fresh(database(t))
	o.Timeout = 8 * time.Second
	var mu sync.Mutex
	var conns []*silent
	o.configure = func(c *pgxpool.Config) {
		c.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return true } // as after a second
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			conns = append(conns, &silent{Conn: conn})
			return conns[len(conns)-1], nil
		}
	}
	s := open(t, o)
	f := claim(t, s, 1, "me")
	mu.Lock()
	for _, c := range conns {
		c.fallen.Store(true)
	}
	mu.Unlock()
	if _, err := s.GetValue(within(t), cart); err != nil {
		t.Errorf("a read: %v", err)
	}
	mu.Lock()
	for _, c := range conns {
		c.fallen.Store(true)
	}
	mu.Unlock()
	if err := s.Append(within(t), f, cart, 0, entries("one")); err != nil {
		t.Errorf("a write: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, c := range conns {
		_ = c.Close() // what the driver still wants to say to them takes long
	}
}

// TestOwnTimeoutIsTheServersFailure: where the store gives up first, the caller's time is not up. It is told that the
// store is unavailable, and the next try to connect rests.
func TestOwnTimeoutIsTheServersFailure(t *testing.T) {
	o := fresh(database(t))
	var away atomic.Bool
	back := make(chan struct{})
	o.configure = func(c *pgxpool.Config) {
		dial := c.ConnConfig.DialFunc
		c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			if away.Load() {
				<-back
			}
			return dial(ctx, network, address)
		}
	}
	s := open(t, o)
	ctx := within(t)
	f := claim(t, s, 1, "me")
	away.Store(true)
	defer close(back)
	s.pool.Reset()
	s.options.Timeout = 100 * time.Millisecond
	_, readErr := s.GetValue(ctx, cart)
	for what, err := range map[string]error{"read": readErr, "write": s.Append(ctx, f, cart, 0, entries("one")), "renewal": s.RenewLease(ctx, "me", 1)} {
		if !errors.Is(err, journal.ErrUnavailable) || !journal.NotWritten(err) {
			t.Errorf("a %s: %v", what, err)
		}
	}
	if s.dials.last.Load() == nil {
		t.Error("no try to connect counts as failed")
	}
}

// TestConnectionsEndApart: those that were made together are not renewed together, unless the URL says so.
func TestConnectionsEndApart(t *testing.T) {
	for url, want := range map[string]time.Duration{
		"postgres://u:p@h/d":                                  12 * time.Minute,
		"postgres://u:p@h/d?pool_max_conn_lifetime=10m":       2 * time.Minute,
		"postgres://u:p@h/d?pool_max_conn_lifetime_jitter=1s": time.Second,
	} {
		_, config, err := Options{URL: url}.resolve()
		if err != nil || config.MaxConnLifetimeJitter != want {
			t.Errorf("%s: %v, %v, want %v", url, config.MaxConnLifetimeJitter, err, want)
		}
	}
}
