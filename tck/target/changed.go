package target

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

// Changed waits until the target is another one than it was when the call began: for an address, until it went away and accepts
// connections again; for a builtin, until its program was written anew. It fails when ctx ends, and for any other target at once.
func Changed(ctx context.Context, ref Ref) error {
	switch ref.Scheme {
	case Addr:
		return returned(ctx, ref.Value)
	case Builtin:
		return rebuilt(ctx, ref)
	default:
		return fmt.Errorf("%s: %w", ref, ErrNotControlled)
	}
}

// returned waits until a connection to address was lost, and another could be made.
func returned(ctx context.Context, address string) error {
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithIdleTimeout(0))
	if err != nil {
		return fmt.Errorf("watching %s: %w", address, err)
	}
	defer conn.Close()
	wasUp := false
	for {
		conn.Connect()
		state := conn.GetState()
		if state == connectivity.Ready {
			wasUp = true
		} else if wasUp {
			return Await(ctx, Accepting(address), nil)
		}
		if !conn.WaitForStateChange(ctx, state) {
			return context.Cause(ctx)
		}
	}
}

// rebuilt waits until the builtin's program has another time or size, and has kept it for a moment: a linker writes for a while.
func rebuilt(ctx context.Context, ref Ref) error {
	args, err := argv(ref)
	if err != nil {
		return err
	}
	stamp := func() string {
		info, err := os.Stat(args[0])
		if err != nil {
			return ""
		}
		return fmt.Sprint(info.ModTime(), info.Size())
	}
	first, last := stamp(), ""
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		now := stamp()
		if now != "" && now != first && now == last {
			return nil
		}
		last = now
	}
}
