package route

import (
	"context"
	"io"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
)

// runEffects starts the side effects in order and waits for the synchronous ones
// (FWD-09, FWD-23, FWD-24). Whatever becomes of them changes nothing for the command
// that asked for them (FWD-10).
func (r *Router) runEffects(ctx context.Context, c *call, effects []*cloudstate.SideEffect) {
	for _, e := range effects {
		next, err := r.follow(c, true, e.GetServiceName(), e.GetCommandName(), e.GetPayload().GetValue(), e.GetMetadata())
		if err != nil {
			r.effectFailed(e, err)
			continue
		}
		if e.GetSynchronous() {
			r.startEffect(ctx, next, e)()
			continue
		}
		if r.effects.Add(1) > int64(r.cfg.MaxSideEffects) {
			r.effects.Add(-1)
			r.log.Error("a side effect was left undone: as many as may run at once are running",
				"service", e.GetServiceName(), "command", e.GetCommandName(), "limit", r.cfg.MaxSideEffects)
			continue
		}
		finish := r.startEffect(ctx, next, e)
		go func() {
			defer r.effects.Add(-1)
			finish()
		}()
	}
}

// startEffect hands a side effect over to its target, in the order of the list
// (FWD-09); the function that it returns waits for its end (FWD-26).
func (r *Router) startEffect(ctx context.Context, c *call, e *cloudstate.SideEffect) (finish func()) {
	ctx, cancel := r.detached(ctx)
	rest, err := r.start(ctx, c)
	return func() {
		defer cancel()
		if err == nil {
			err = rest(func(*entity.Reply) error { return nil })
		}
		if err != nil {
			r.effectFailed(e, err)
		}
	}
}

func (r *Router) effectFailed(e *cloudstate.SideEffect, err error) {
	r.log.Warn("a side effect failed; the command that asked for it is not affected",
		"service", e.GetServiceName(), "command", e.GetCommandName(), "error", err)
}

// once gives one message and then the end of the stream.
func once(msg []byte) func() ([]byte, error) {
	given := false
	return func() ([]byte, error) {
		if given {
			return nil, io.EOF
		}
		given = true
		return msg, nil
	}
}
