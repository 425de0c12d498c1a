package userfunction

import (
	"context"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// attempt is one try to open a stream on one connection, and afterwards its place there.
//
// gRPC itself would try again, on the same connection, when a stream was refused, and would wait there for room
// without end and without telling. An attempt prevents that by being the stream's call credentials: gRPC asks for them
// each time it tries, and gets them once.
type attempt struct {
	cancel context.CancelFunc

	// Guarded by the pool's lock.
	link    *link
	opening bool
	moved   bool

	// tried is set when gRPC began to open the stream; refused when it wanted to do so again, which it does only if
	// the user function has not looked at the stream. drained is set when the user function said goodbye before it did.
	tried   atomic.Bool
	refused atomic.Bool
	drained atomic.Bool
}

var errTriedAlready = status.Error(codes.Unavailable, "the stream was refused")

// GetRequestMetadata gives no metadata, and an error the second time.
func (a *attempt) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if a.tried.Swap(true) {
		a.refused.Store(true)
		return nil, errTriedAlready
	}
	return nil, nil
}

// RequireTransportSecurity is false: the user function is reached in plain text (DISC-01).
func (*attempt) RequireTransportSecurity() bool { return false }

// unseen tells whether a failed attempt certainly was not looked at by the user function, so that it may be repeated.
func (a *attempt) unseen(err error) bool {
	if err == nil {
		return false
	}
	if a.refused.Load() || a.drained.Load() || a.wasMoved() {
		return true
	}
	// gRPC wanted another connection for the stream, because the user function said goodbye before it saw the stream.
	s, ok := status.FromError(err)
	return ok && s.Code() == codes.Unavailable && strings.Contains(s.Message(), errSecondDial.Error())
}

func (a *attempt) wasMoved() bool {
	p := a.link.lane.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return a.moved
}

// opened says that gRPC has found room on the connection. It is false when the attempt has been told meanwhile to move
// elsewhere: then the stream must not be used.
func (a *attempt) opened() bool {
	p := a.link.lane.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.opening {
		a.link.removeOpening(a)
	}
	return !a.moved
}

// done gives the place on the connection back. It must be called once for each attempt that got a place.
func (a *attempt) done() {
	a.cancel()
	a.link.lane.release(a)
}
