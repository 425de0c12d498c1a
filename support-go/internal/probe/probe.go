// Package probe lets package testkit look into an instance that the library made for it.
//
// What enters: the context of an entity stream, and the instance that serves it. What leaves: that instance's state, to
// whoever asked for it in the context. Where nobody asked, as behind a proxy, a report costs one look into the context.
//
// It never changes an instance.
package probe

import (
	"context"

	"google.golang.org/protobuf/types/known/anypb"
)

// Instance is what can be seen of an instance. It is looked at only while none of the instance's handlers runs.
type Instance struct {
	State    any                        // the pointer that handlers are given
	Snapshot func() (*anypb.Any, error) // encodes the state as it is now; nil: the entity has no snapshots
}

type key struct{}

// With asks for the instance that is made for a stream of this context. see is called once, by the stream's goroutine,
// before the instance handles anything.
func With(ctx context.Context, see func(Instance)) context.Context {
	return context.WithValue(ctx, key{}, see)
}

// Report shows an instance to who asked for it.
func Report(ctx context.Context, instance func() Instance) {
	if see, ok := ctx.Value(key{}).(func(Instance)); ok {
		see(instance())
	}
}
