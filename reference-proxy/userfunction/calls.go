package userfunction

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// maxRefusals bounds how often one call or stream is tried again after the user function refused it.
const maxRefusals = 8

// untilContextEnds is the patience of a call that waits for an absent user function as long as its context allows.
const untilContextEnds = time.Duration(math.MaxInt64)

// Discover asks the user function what it serves (DISC-01). It waits, as long as ctx allows, for the user function to
// be reachable: one that appears is reached within about 100 ms.
func (p *Pool) Discover(ctx context.Context, info *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
	spec := new(cloudstate.EntitySpec)
	l, err := p.tell(ctx, cloudstate.EntityDiscovery_Discover_FullMethodName, untilContextEnds, info, spec)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered = l
	return spec, nil
}

// ReportError tells the user function, in words, what is wrong with it (DISC-19).
func (p *Pool) ReportError(ctx context.Context, message string) error {
	report := &cloudstate.UserFunctionError{Message: message}
	_, err := p.tell(ctx, cloudstate.EntityDiscovery_ReportError_FullMethodName, p.cfg.ReadyWait, report, new(emptypb.Empty))
	return err
}

// tell makes one call on the control lane, and says which connection it was answered on.
func (p *Pool) tell(ctx context.Context, method string, patience time.Duration, in, out proto.Message) (*link, error) {
	request, err := proto.Marshal(in)
	if err != nil {
		return nil, err
	}
	reply, l, err := p.unary(ctx, p.control, method, patience, request)
	if err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(reply, out); err != nil {
		return nil, status.Errorf(codes.Internal, "the user function's answer to %s is no %s: %v", method, out.ProtoReflect().Descriptor().FullName(), err)
	}
	return l, nil
}

// ActionUnary makes one unary call; ctx is the call's: its deadline travels to the user function. The pool owns in
// from here on; the result belongs to the caller.
func (p *Pool) ActionUnary(ctx context.Context, method string, in []byte) ([]byte, error) {
	out, _, err := p.unary(ctx, p.calls, method, p.cfg.ReadyWait, in)
	return out, err
}

func (p *Pool) unary(ctx context.Context, ln *lane, method string, patience time.Duration, in []byte) ([]byte, *link, error) {
	for refusals := 0; ; refusals++ {
		callCtx, cancel := context.WithCancel(ctx)
		a := &attempt{cancel: cancel}
		if err := ln.reserve(ctx, a, patience); err != nil {
			cancel()
			return nil, nil, err
		}
		out := frame{}
		err := a.link.client.Invoke(callCtx, method, &frame{bytes: in, attempt: a}, &out, grpc.PerRPCCredentials(a))
		if err == nil {
			a.done()
			return out.bytes, a.link, nil
		}
		if again, failure := a.failed(ctx, err, refusals); !again {
			return nil, nil, failure
		}
	}
}

// failed ends an attempt that did not succeed. It tells whether another one may be made, or else the error to show.
func (a *attempt) failed(ctx context.Context, err error, refusals int) (again bool, failure error) {
	ln := a.link.lane
	unseen := a.unseen(err)
	if a.refused.Load() {
		ln.refused(a.link)
	}
	a.done()
	switch {
	case !unseen || ctx.Err() != nil || ln.pool.isClosed():
		return false, a.link.explain(err)
	case refusals >= maxRefusals:
		return false, unavailable(fmt.Sprintf("%v: it refused the stream %d times", ErrUnavailable, refusals+1), err)
	}
	return true, nil
}

func (p *Pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// explain tells the user function's own status from what happened on the way.
func (l *link) explain(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	switch code := status.Code(err); {
	case (code == codes.Canceled || code == codes.Unavailable) && l.lane.pool.isClosed():
		return closedError()
	case code == codes.Unavailable && l.gone.Load():
		return unavailable(fmt.Sprintf("%v: the connection to %s broke", ErrUnavailable, l.lane.pool.cfg.address()), err)
	}
	return err
}
