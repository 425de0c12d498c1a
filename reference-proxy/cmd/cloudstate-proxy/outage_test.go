package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	cassandraserver "github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
)

// database is a real server that a test may harm.
type database interface {
	Pause() error
	Resume() error
	Kill()
	Restart(ctx context.Context) error
}

// answer is what the management port says.
func (p *process) answer(path string) (int, string) {
	p.t.Helper()
	res, err := http.Get("http://" + p.probes + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestOutage takes the database away from a running proxy, by a stop (SIGSTOP: connections stay, nobody answers) and by a
// kill, CLOUDSTATE_OUTAGES times each. See outage. With more than one round it does so to Cassandra, too.
func TestOutage(t *testing.T) {
	rounds := fromEnv("CLOUDSTATE_OUTAGES", 1)
	t.Run("postgres", func(t *testing.T) {
		server := postgres.Run(t, postgres.Options{})
		t.Setenv("CLOUDSTATE_POSTGRES_URL", server.URL())
		outages(t, server, rounds, "--store=postgres")
	})
	if rounds > 1 {
		t.Run("cassandra", func(t *testing.T) {
			cluster := cassandraserver.Run(t, cassandraserver.Options{})
			outages(t, cluster.Node(1), rounds, "--store=cassandra", "--cassandra-hosts="+cluster.Addresses()[0], "--cassandra-replication=1")
		})
	}
}

func outages(t *testing.T, server database, rounds int, args ...string) {
	t.Helper()
	user := &carts{}
	free := ports(t, 2)
	p := launch(t, free[0], free[1], serveFunction(t, mockfunction.New(user.config())),
		append(args, "--store-auto-migrate", "--lease-duration=2s", "--store-timeout=3s")...)
	p.ready()
	o := &outage{t: t, process: p, client: shoppingcart.NewShoppingCartClient(dial(t, p.client))}
	for range rounds {
		o.during("paused", server.Pause, func(context.Context) error { return server.Resume() })
		o.during("killed", func() error { server.Kill(); return nil }, server.Restart)
	}
	t.Logf("%d outages: %d calls refused, none lost; not ready after %v at the longest, ready again after %v",
		2*rounds, o.refused, o.noticed.Round(time.Millisecond), o.healed.Round(time.Millisecond))
	if code := p.terminate(); code != 0 {
		t.Errorf("it ended with status %d", code)
	}
}

type outage struct {
	t       *testing.T
	process *process
	client  shoppingcart.ShoppingCartClient
	added   int // to the cart "warm"
	doubts  int // further items that may be there

	refused         int
	noticed, healed time.Duration // the longest
}

// callLimit is a caller's deadline: longer than the store's time-out, so that an answer is owed before it.
const callLimit = 20 * time.Second

// during takes the store away and gives it back. Meanwhile the proxy is live and not ready, says why, and refuses callers of
// entities in memory and of others, with UNAVAILABLE and a reason and long before their deadline. Afterwards it serves by
// itself, and what was acknowledged is there.
func (o *outage) during(what string, take func() error, back func(context.Context) error) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	o.add(ctx)
	began := time.Now()
	if err := take(); err != nil {
		o.t.Fatal(err)
	}
	calls := o.knock(ctx, "cold "+what)
	await(o.t, "the proxy to be no longer ready", func() bool { return o.process.probe("/ready") == http.StatusServiceUnavailable })
	took := time.Since(began)
	o.noticed = max(o.noticed, took)
	o.t.Logf("%s: not ready %v after it", what, took.Round(time.Millisecond))
	if _, body := o.process.answer("/ready"); !strings.Contains(body, "the store cannot be used: this node holds no lease with it: ") || len(body) < 100 {
		o.t.Errorf("%s: /ready says %q, which is no reason", what, body)
	}
	if held := reading(o.process.scrape(), "cloudstate_lease_held"); held != 0 {
		o.t.Errorf("%s: the metrics say that the lease is held", what)
	}
	for _, done := range append(calls, o.knock(ctx, "cold "+what)...) {
		if r := <-done; status.Code(r.err) != codes.Unavailable || status.Convert(r.err).Message() == "" || r.after > callLimit*3/4 {
			o.t.Errorf("%s: %s was told %v after %v, want UNAVAILABLE with a reason", what, r.who, r.err, r.after)
		} else {
			o.refused++
			o.t.Logf("%s: %s was told %q after %v", what, r.who, status.Convert(r.err).Message(), r.after.Round(time.Millisecond))
		}
	}
	if live := o.process.probe("/live"); live != http.StatusOK {
		o.t.Errorf("%s: /live says %d", what, live)
	}
	if err := back(ctx); err != nil {
		o.t.Fatal(err)
	}
	began = time.Now()
	await(o.t, "the proxy to be ready again", func() bool { return o.process.probe("/ready") == http.StatusOK })
	took = time.Since(began)
	o.healed = max(o.healed, took)
	o.t.Logf("%s: ready %v after the store was back", what, took.Round(time.Millisecond))
	o.settle(ctx)
}

// result is how a call ended.
type result struct {
	who   string
	err   error
	after time.Duration
}

// knock makes calls that need the store: a write to an entity in memory, and a read of one that is not.
func (o *outage) knock(ctx context.Context, cold string) []chan result {
	var all []chan result
	for who, call := range map[string]func(context.Context) error{
		"a writer": func(ctx context.Context) error {
			_, err := o.client.AddItem(ctx, &shoppingcart.AddLineItem{UserId: "warm", ProductId: "p", Quantity: 1})
			return err
		},
		"a reader of an entity that is not loaded": func(ctx context.Context) error {
			_, err := o.client.GetCart(ctx, &shoppingcart.GetShoppingCart{UserId: cold})
			return err
		},
	} {
		done := make(chan result, 1)
		all = append(all, done)
		go func() {
			ctx, cancel := context.WithTimeout(ctx, callLimit)
			defer cancel()
			began := time.Now()
			err := call(ctx)
			done <- result{who, err, time.Since(began)}
		}()
	}
	return all
}

// add makes an acknowledged write. A machine that does nothing for longer than the lease costs the proxy its lease, and callers are told
// to try again.
func (o *outage) add(ctx context.Context) {
	o.t.Helper()
	await(o.t, "a write to be acknowledged", func() bool {
		_, err := o.client.AddItem(ctx, &shoppingcart.AddLineItem{UserId: "warm", ProductId: "p", Quantity: 1})
		switch status.Code(err) {
		case codes.OK:
			o.added++
		case codes.Unavailable:
			o.doubts++
		default:
			o.t.Fatal(err)
		}
		return err == nil
	})
}

// settle waits until entities are served again, and looks what is there: all that was acknowledged, and of the rest what was
// said to be unknown.
func (o *outage) settle(ctx context.Context) {
	o.t.Helper()
	var cart *shoppingcart.Cart
	await(o.t, "the entity to be served", func() bool {
		var err error
		cart, err = o.client.GetCart(ctx, &shoppingcart.GetShoppingCart{UserId: "warm"})
		if c := status.Code(err); c != codes.OK && c != codes.Unavailable {
			o.t.Fatal(err)
		}
		return err == nil
	})
	o.doubts += 2 // one of each time that callers knocked
	if n := len(cart.GetItems()); n < o.added || n > o.added+o.doubts {
		o.t.Errorf("%d items, %d were acknowledged and at most %d are in doubt", n, o.added, o.doubts)
	}
	o.added, o.doubts = len(cart.GetItems()), 0
}
