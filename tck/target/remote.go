package target

import (
	"context"
	"fmt"
)

// Remote is a target that runs already somewhere. The kit can await it and nothing else. Its methods are safe for concurrent use.
type Remote struct {
	Ref Ref
	// Probe tells whether it is ready.
	Probe Probe
}

// Controlled returns false.
func (r *Remote) Controlled() bool { return false }

// Start returns [ErrNotControlled].
func (r *Remote) Start(context.Context, ...string) error { return r.refuse() }

// Launch returns [ErrNotControlled].
func (r *Remote) Launch(context.Context, ...string) error { return r.refuse() }

// Ready waits until the probe succeeds.
func (r *Remote) Ready(ctx context.Context) error {
	if err := Await(ctx, r.Probe, nil); err != nil {
		return fmt.Errorf("%s: %w", r.Ref, err)
	}
	return nil
}

// Stop returns [ErrNotControlled].
func (r *Remote) Stop(context.Context) (int, error) { return 0, r.refuse() }

// Signal returns [ErrNotControlled].
func (r *Remote) Signal() error { return r.refuse() }

// Interrupt returns [ErrNotControlled].
func (r *Remote) Interrupt() error { return r.refuse() }

// Wait returns [ErrNotControlled].
func (r *Remote) Wait(context.Context) (int, error) { return 0, r.refuse() }

// Kill returns [ErrNotControlled].
func (r *Remote) Kill(context.Context) error { return r.refuse() }

// Close does nothing.
func (r *Remote) Close(context.Context) {}

// Exited returns a channel that is never closed.
func (r *Remote) Exited() <-chan struct{} { return nil }

// Running returns true: the kit cannot know better.
func (r *Remote) Running() bool { return true }

// Crash returns false: the kit cannot see how a process that it did not start ends.
func (r *Remote) Crash() (string, bool) { return "", false }

// Logs returns nothing: the kit does not see what the target writes.
func (r *Remote) Logs(int) []string { return nil }

func (r *Remote) refuse() error { return fmt.Errorf("%s: %w", r.Ref, ErrNotControlled) }
