package mockfunction

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/stats"
)

// connections counts those that were accepted. It implements stats.Handler, of which nothing else is wanted.
type connections struct{ begun atomic.Int64 }

// HandleConn counts.
func (c *connections) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnBegin); ok {
		c.begun.Add(1)
	}
}

// TagConn does nothing.
func (*connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// TagRPC does nothing.
func (*connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC does nothing.
func (*connections) HandleRPC(context.Context, stats.RPCStats) {}
