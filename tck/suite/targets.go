package suite

import (
	"context"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// Process is a target as far as the kit may handle it. The methods of a target that the kit did not start (addr:) return
// an error that says so. All methods may be called concurrently.
type Process interface {
	// Controlled reports whether the kit started the target and so may stop it.
	Controlled() bool
	// Start starts the target (again) at the same addresses with the same data, and returns once it is ready.
	// It is an error when it already runs. env adds to or overrides the environment, as NAME=value.
	Start(ctx context.Context, env ...string) error
	// Launch is Start without the wait for readiness: for cases that observe a start that is meant not to succeed.
	Launch(ctx context.Context, env ...string) error
	// Ready waits until the target is ready, or ctx ends, or the target exits.
	Ready(ctx context.Context) error
	// Stop asks for an orderly stop (SIGTERM) and waits for the exit until ctx ends. The exit status is returned.
	Stop(ctx context.Context) (exit int, err error)
	// Signal sends SIGTERM and returns at once; [Process.Exited] tells when it is gone.
	Signal() error
	// Interrupt sends SIGINT and returns at once.
	Interrupt() error
	// Wait waits for the exit until ctx ends, and returns the exit status. The end is then one that the case asked for, not a crash.
	Wait(ctx context.Context) (exit int, err error)
	// Kill ends the target at once (SIGKILL to its process group) and waits for the exit.
	Kill(ctx context.Context) error
	// Exited returns a channel that is closed when the process that runs now is gone.
	// For a target that is not controlled the channel is never closed.
	Exited() <-chan struct{}
	// Logs returns the last n lines that the target wrote (all that are kept when n <= 0).
	Logs(n int) []string
}

// StoreTarget is the store of all proxies of a run, as far as the kit may handle it.
type StoreTarget interface {
	// Away makes the store unreachable and returns when it is. What was acknowledged stays stored.
	Away(ctx context.Context) error
	// Back makes it reachable again and returns when it is. After a case that left it away the engine does so.
	Back(ctx context.Context) error
}

// FrontendTarget is the user function under judgement.
type FrontendTarget struct {
	Process
	// Address is host:port of its gRPC server.
	Address string
	// Spec is its answer to discover, asked once when it came up. Treat it as read-only. Nil for an OwnTarget case that has not started it.
	Spec *cloudstate.EntitySpec
}

// ProxyTarget is the proxy under judgement.
type ProxyTarget struct {
	Process
	// Address is host:port where clients call it.
	Address string
	// Management is host:port of its management endpoint (/live, /ready), or empty when not known.
	Management string
	// Info is what it sent with discover. Treat it as read-only. Nil for an OwnTarget case that has not started it.
	Info *cloudstate.ProxyInfo
}
