package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/cluster"
	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/discovery"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity/driver"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/crashing"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/metered"
	"github.com/stateful-serverless/cloudstate/reference-proxy/serve"
	"github.com/stateful-serverless/cloudstate/reference-proxy/userfunction"
)

// drainTime is how long instances may take to let go of their streams at the end.
const drainTime = 3 * time.Second

// proxy is the rooms of one running proxy, joined.
type proxy struct {
	cfg     *config.Config
	log     *slog.Logger
	store   journal.Store                 // nil when there is none, and until it is open
	owner   atomic.Pointer[cluster.Local] // nil as store is; the probes ask it
	pool    *userfunction.Pool
	report  *reporter
	host    atomic.Pointer[driver.Host] // nil until the store is open
	wait    waiting
	edge    *serve.Edge
	probes  *serve.Management
	types   entityTypes
	numbers *metrics
	crash   *crashing.Trigger // nil but in tests

	clients    net.Listener
	management net.Listener // nil when turned off
}

// start takes what can be refused at once: ports, and the settings of the connections. It
// serves nobody yet.
func start(cfg *config.Config, log *slog.Logger) (_ *proxy, err error) {
	p := &proxy{cfg: cfg, log: log, types: entityTypes{}, crash: crashAt(cfg, log)}
	defer func() {
		if err != nil {
			_ = p.release() // why it could not start is what there is to tell
		}
	}()
	if p.clients, err = listen(cfg.HTTPHost, cfg.HTTPPort, "clients", "--http-port (HTTP_PORT)"); err != nil {
		return nil, err
	}
	if cfg.ManagementPort != 0 {
		p.management, err = listen(cfg.ManagementHost, cfg.ManagementPort, "probes", "--management-port (MANAGEMENT_PORT)")
		if err != nil {
			return nil, err
		}
	}
	p.pool, err = userfunction.NewPool(userfunction.Config{
		Host:           cfg.UserFunctionHost,
		Port:           cfg.UserFunctionPort,
		MaxMessageSize: int(cfg.MaxUserFunctionMessageSize),
		MaxConnections: cfg.UserFunctionConnections,
		Logger:         log,
	})
	if err != nil {
		return nil, err
	}
	p.report = newReporter(p.pool, log)
	p.edge = serve.New(serve.Config{
		MaxMessageSize: int(cfg.MaxClientMessageSize),
		MaxStreams:     uint32(cfg.MaxConcurrentStreams),

		IdempotencyKeys: keysHeeded(cfg),
		Intercept:       crashAround(p.crash),
	}, log)
	p.numbers = newMetrics(p)
	p.probes = serve.NewManagement(serve.ManagementConfig{Ready: p.ready, Metrics: p.numbers.Handler(), Quarantine: quarantine{p}})
	return p, nil
}

// ready is nil while clients are served: the user function is there, and so is the store, with a lease. Otherwise it says
// what is missing.
func (p *proxy) ready() error {
	err := p.edge.Ready()
	if errors.Is(err, serve.ErrStopping) {
		return err
	}
	if reason := p.wait.reason(); reason != nil {
		return fmt.Errorf("%w: %w", serve.ErrNoStore, reason)
	}
	if owner := p.owner.Load(); owner != nil {
		if s := owner.State(); !s.Held {
			return fmt.Errorf("%w: this node holds no lease with it: %w", serve.ErrNoStore, cmp.Or(s.Err, errFirstLease))
		}
	}
	return err
}

// errFirstLease: nothing is wrong yet.
var errFirstLease = errors.New("the first is being asked for")

// open opens the store, which may take a while, and makes what lives on it.
func (p *proxy) open(ctx context.Context) error {
	p.edge.StoreUsable(p.cfg.Store == config.StoreNone) // others not before there is a lease
	store, err := awaitStore(ctx, p.cfg, p.log, p.numbers, &p.wait)
	if err != nil {
		return err
	}
	var owner driver.Owner
	if store != nil {
		p.store = metered.New(crashStore(store, p.crash), p.numbers.store)
		local := cluster.NewLocal(cluster.Config{
			Store: p.store, Lease: p.cfg.LeaseDuration, Notify: p.edge.StoreUsable, Logger: p.log,
		})
		p.owner.Store(local)
		owner = local
	}
	p.host.Store(driver.NewHost(driver.Config{
		CommandTimeout:     p.cfg.CommandTimeout,
		PassivationTimeout: p.cfg.PassivationTimeout,
		PassivationGrace:   p.cfg.PassivationGrace,
		MaxQueued:          p.cfg.MaxQueuedCommands,
		MaxInstances:       p.cfg.MaxInstances,
		PruneEvents:        p.cfg.PruneEvents,
		IdempotencyWindow:  p.cfg.IdempotencyWindow,
		Replay:             journal.Chunk{Records: 1000, Bytes: 1 << 20},
		Replayed:           p.numbers.replayed,
	}, streams{p.pool}, p.store, owner, p.report.report, p.log))
	return nil
}

func listen(host string, port int, who, setting string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("cannot take %s on %s port %d: %w; stop what uses the port or choose another with %s",
			who, host, port, err, setting)
	}
	return l, nil
}

// run serves until ctx ends or something breaks that cannot be mended by waiting.
func (p *proxy) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if p.management != nil {
		go func() { cancel(p.probes.Serve(p.management)) }()
	}
	// Clients are let in from the start and told that nothing is served yet, rather
	// than left waiting (SERV-36, OPS-15).
	go func() { cancel(p.edge.Serve(p.clients)) }()
	if err := p.open(ctx); err != nil {
		if ctx.Err() != nil {
			return cause(ctx)
		}
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		discovery.Run(ctx, p.pool, p.discoveryConfig(), functionSink{p})
	}()
	defer func() { <-done }()
	defer cancel(nil)
	p.log.Info("looking for the user function", "host", p.cfg.UserFunctionHost, "port", p.cfg.UserFunctionPort)
	<-ctx.Done()
	return cause(ctx)
}

// cause is why a context ended, nil when it was asked to.
func cause(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// stop ends everything in the order in which calls come in: clients, instances,
// connections, ownership, store (OPS-07).
func (p *proxy) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.ShutdownTimeout)
	defer cancel()
	host := p.host.Load()
	if host != nil {
		defer context.AfterFunc(ctx, host.CutOff)() // whose calls the edge could not end else
	}
	err := p.edge.Stop(ctx)
	// However long the clients took, idle instances get a moment to end in order
	// (OPS-14), which still keeps the bound of OPS-13.
	moment, cancelMoment := context.WithTimeout(context.Background(), drainTime)
	defer cancelMoment()
	if host != nil {
		err = errors.Join(err, host.Drain(moment))
	}
	if p.management != nil {
		err = errors.Join(err, p.probes.Stop(moment))
	}
	return errors.Join(err, p.release())
}

func (p *proxy) release() error {
	var err error
	for _, l := range []net.Listener{p.clients, p.management} {
		if l != nil {
			_ = l.Close() // it may be closed already
		}
	}
	if p.report != nil {
		p.report.close()
	}
	if p.pool != nil {
		p.pool.Close()
	}
	if owner := p.owner.Load(); owner != nil {
		owner.Close() // whoever comes next need not wait
	}
	if p.store != nil {
		err = p.store.Close()
	}
	return err
}
