package route

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/reference-proxy/discovery"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity/driver"
)

// MaxKeyBytes is the longest entity id that is served (LIM-16, LIM-18).
const MaxKeyBytes = 1024

// Config holds the limits of a [Router]; all are positive.
type Config struct {
	// CommandTimeout bounds the wait for a side effect (FWD-26).
	CommandTimeout time.Duration
	// MaxInFlight is how many client calls may be in flight on this node (LIM-10).
	MaxInFlight int
	// MaxSideEffects is how many asynchronous side effects may run at once (LIM-17).
	MaxSideEffects int
	// MaxHops is how many forwards and side effects may follow from one call, one from
	// the other; at least 16 (FWD-02, FWD-19, FWD-30).
	MaxHops int
}

// Router routes the calls of one discovered user function. It is immutable but for
// its counters; its methods may be called concurrently.
type Router struct {
	cfg      Config
	function *discovery.Function
	host     *driver.Host
	types    map[*discovery.Service]*driver.Type
	actions  *driver.Actions
	report   func(text string)
	log      *slog.Logger

	inFlight atomic.Int64
	effects  atomic.Int64
}

// New makes a router. types says which entity type serves each service that is not
// an action. report tells the user function what it did wrong; it must not block.
func New(cfg Config, f *discovery.Function, host *driver.Host, types map[*discovery.Service]*driver.Type,
	actions *driver.Actions, report func(string), log *slog.Logger,
) *Router {
	return &Router{cfg: cfg, function: f, host: host, types: types, actions: actions, report: report, log: log}
}

// Function is what the router serves.
func (r *Router) Function() *discovery.Function { return r.function }

// Unary carries out a call with one request and one reply. payload is the request as
// it came over the wire, metadata an encoded cloudstate.Metadata, empty for none, and
// idempotencyKey what the caller calls the command if it may send it again, "" if it said nothing (IDEM-02).
func (r *Router) Unary(ctx context.Context, m *discovery.Method, payload, metadata []byte, idempotencyKey string) (*entity.Reply, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer r.inFlight.Add(-1)
	var reply *entity.Reply
	c := &call{method: m, payload: payload, metadata: metadata, unary: true}
	if idempotencyKey != "" {
		c.keyed = &keyed{name: idempotencyKey}
	}
	err := r.call(ctx, c, func(got *entity.Reply) error { reply = got; return nil })
	if err != nil {
		return nil, err
	}
	if reply == nil {
		return nil, ErrNoReply
	}
	return reply, r.checkType(m, reply)
}

// Stream carries out a call of a streamed action. recv gives the client's messages,
// then io.EOF when it half-closed; send takes each reply in turn.
func (r *Router) Stream(ctx context.Context, m *discovery.Method, metadata []byte,
	recv func() ([]byte, error), send func(*entity.Reply) error,
) error {
	if err := r.enter(); err != nil {
		return err
	}
	defer r.inFlight.Add(-1)
	c := &call{method: m, metadata: metadata, unary: !m.ServerStreaming}
	var replied bool
	emit := func(reply *entity.Reply) error {
		if err := r.checkType(m, reply); err != nil {
			return err
		}
		if c.unary && replied {
			return fmt.Errorf("%w: more than one reply to a client-streaming call", ErrReplyType)
		}
		replied = true
		return send(reply)
	}
	first := r.command(c)
	if !m.ClientStreaming {
		msg, err := recv()
		if err != nil {
			return err
		}
		first.Payload = msg
	}
	a, err := r.actions.Begin(ctx, m.Service.Name, m.ClientStreaming, m.ServerStreaming, first, recv)
	if err != nil {
		return err
	}
	err = a.Outcomes(func(o entity.Outcome) error { return r.settle(ctx, c, o, emit) })
	if err == nil && c.unary && !replied {
		return ErrNoReply
	}
	return err
}

func (r *Router) enter() error {
	if r.inFlight.Add(1) > int64(r.cfg.MaxInFlight) {
		r.inFlight.Add(-1)
		return fmt.Errorf("%w: %d, which is the limit", ErrBusy, r.cfg.MaxInFlight)
	}
	return nil
}

// checkType holds a reply against the output type of the method that the client
// called (SERV-09).
func (r *Router) checkType(m *discovery.Method, reply *entity.Reply) error {
	if reply.TypeURL == m.OutputTypeURL {
		return nil
	}
	if name := string(m.Output.FullName()); strings.HasSuffix(reply.TypeURL, "/"+name) {
		return nil
	}
	r.report(fmt.Sprintf("%s.%s: expected a reply of type [%s] but it was [%s]",
		m.Service.Name, m.Name, m.OutputTypeURL, reply.TypeURL))
	return fmt.Errorf("%w: expected [%s], got [%s]", ErrReplyType, m.OutputTypeURL, reply.TypeURL)
}

// call is one command on its way: the client's, or one that followed from it.
type call struct {
	method   *discovery.Method
	payload  []byte
	metadata []byte
	// cause is the call that asked for this one by a forward or side effect.
	cause *call
	// keyed is nil for a call without an idempotency key.
	keyed *keyed
	hops  int
	// unary tells that at most one reply may come of it.
	unary  bool
	effect bool
}

// trail says how the call came about, for reports (FWD-07).
func (c *call) trail() string {
	var b strings.Builder
	for ; c != nil; c = c.cause {
		switch {
		case c.cause == nil:
		case c.effect:
			fmt.Fprintf(&b, "\n  side-effect of [%s.%s]", c.cause.method.Service.Name, c.cause.method.Name)
		default:
			fmt.Fprintf(&b, "\n  forwarded from [%s.%s]", c.cause.method.Service.Name, c.cause.method.Name)
		}
	}
	return b.String()
}

func (r *Router) command(c *call) *entity.Command {
	cmd := &entity.Command{Name: c.method.Name, TypeURL: c.method.InputTypeURL, Payload: c.payload, Metadata: c.metadata}
	if c.keyed != nil {
		cmd.Keyed = &entity.Keyed{Key: c.keyed.name}
	}
	return cmd
}

// call carries out one command and hands its replies to emit.
func (r *Router) call(ctx context.Context, c *call, emit func(*entity.Reply) error) error {
	if m := c.method; m.Key == nil && !m.ClientStreaming && !m.ServerStreaming {
		o, err := r.actions.Unary(ctx, m.Service.Name, r.command(c))
		if err != nil {
			return err
		}
		return r.settle(ctx, c, o, emit)
	}
	finish, err := r.start(ctx, c)
	if err != nil {
		return err
	}
	return finish(emit)
}

// start hands one command over, so that commands that are started one after the other
// reach their target in this order; finish carries it out to its end.
func (r *Router) start(ctx context.Context, c *call) (finish func(emit func(*entity.Reply) error) error, err error) {
	m := c.method
	if m.Key == nil { // FWD-20: one request message, whatever the streaming kind
		a, err := r.actions.Begin(ctx, m.Service.Name, m.ClientStreaming, m.ServerStreaming, r.command(c), once(c.payload))
		if err != nil {
			return nil, err
		}
		return func(emit func(*entity.Reply) error) error {
			return a.Outcomes(func(o entity.Outcome) error { return r.settle(ctx, c, o, emit) })
		}, nil
	}
	key, err := m.Key.Extract(c.payload)
	if err != nil {
		return nil, err
	}
	if len(key) > MaxKeyBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrKeyTooLong, len(key), MaxKeyBytes)
	}
	if c.keyed != nil {
		c.keyed.entity = key
	}
	cmd := r.command(c)
	cmd.Gone = func() bool { return ctx.Err() != nil }
	pending := r.host.Submit(ctx, r.types[m.Service], key, cmd)
	return func(emit func(*entity.Reply) error) error {
		o, err := pending.Wait(ctx, func(o entity.Outcome) { r.late(ctx, c, o) })
		if err != nil {
			return err
		}
		return r.settle(ctx, c, o, emit)
	}, nil
}

// late gets the outcome of a command whose caller has gone: what it set off has not
// (FWD-29).
func (r *Router) late(ctx context.Context, c *call, o entity.Outcome) {
	ctx, cancel := r.detached(ctx)
	defer cancel()
	r.runEffects(ctx, c, o.Effects)
}

// settle does what an outcome asks for, in this order: side effects, then forward,
// failure or reply (FWD-13, FWD-23).
func (r *Router) settle(ctx context.Context, c *call, o entity.Outcome, emit func(*entity.Reply) error) error {
	if o.Fault != nil {
		return o.Fault
	}
	r.runEffects(ctx, c, o.Effects)
	switch {
	case o.Failure != nil:
		return &StatedFailure{o.Failure}
	case o.Forward != nil:
		return r.forward(ctx, c, o.Forward, emit)
	case o.Reply != nil && o.Reply.Payload != nil:
		return emit(o.Reply)
	}
	return nil
}

func (r *Router) forward(ctx context.Context, c *call, f *cloudstate.Forward, emit func(*entity.Reply) error) error {
	next, err := r.follow(c, false, f.GetServiceName(), f.GetCommandName(), f.GetPayload().GetValue(), f.GetMetadata())
	if err != nil {
		return err
	}
	next.unary = c.unary
	next.keyed = c.keyed.forwarded(c.method.Service.Name)
	if c.unary && next.method.ServerStreaming {
		return fmt.Errorf("%w: [%s]", ErrStreamedTarget, next.method.Path)
	}
	return r.call(ctx, next, emit)
}

// follow makes the call that a forward or side effect asks for.
func (r *Router) follow(c *call, effect bool, service, command string, payload []byte, md *cloudstate.Metadata) (*call, error) {
	next := &call{payload: payload, cause: c, effect: effect, hops: c.hops + 1}
	if next.hops > r.cfg.MaxHops {
		return nil, fmt.Errorf("%w: more than %d, last to [%s.%s]", ErrTooManyHops, r.cfg.MaxHops, service, command)
	}
	if next.method = r.function.Method(service, command); next.method == nil {
		known := false
		for _, s := range r.function.Services {
			known = known || s.Name == service
		}
		err := &TargetError{Service: service, Command: command, KnownService: known, Trail: next.trail()}
		r.report(err.Error())
		return nil, err
	}
	if len(md.GetEntries()) > 0 {
		encoded, err := proto.Marshal(md)
		if err != nil {
			return nil, fmt.Errorf("metadata: %w", err)
		}
		next.metadata = encoded
	}
	return next, nil
}

// detached is a context for what must go on when the caller has gone, for as long as
// one command may take.
func (r *Router) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), r.cfg.CommandTimeout)
}
