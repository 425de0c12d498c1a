package main

import (
	"context"
	"fmt"
	"net"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/mockcli"
)

const description = `Serve a user function that does what each request tells it to, for trying a Cloudstate proxy without writing one.

The command "serve" may be left out. It serves the TCK's model services: event sourced entities, value entities and actions, each in a few variants. A request carries the
steps to take; the reply says what state that led to. What goes over the wire is printed as it goes.

Example, with a proxy on port 9000 in front of it:

  cloudstate-mockfunction --port 8080

  grpcurl -plaintext -d '{"id": "a", "actions": [{"emit": {"value": "x"}}]}' 127.0.0.1:9000 cloudstate.tck.model.EventSourcedTckModel/Process

  cloudstate-mockfunction replay cart.trace --port 8080 --proxy 127.0.0.1:9000

  cloudstate-mockfunction script broken.yaml --port 8080

It ends on SIGINT or SIGTERM, a replay or script when all has happened. Exit status: 0 ended so, 1 the address cannot be used, or the proxy did not do
what is recorded, or what the script expects, 2 wrong usage.`

// commands is the command line.
type commands struct {
	Serve  flags  `cmd:"" default:"withargs" help:"Serve the TCK's model services."`
	Replay replay `cmd:"" help:"Answer a proxy as the recorded user function did and tell how what the proxy sends differs."`

	Script scriptCommand `cmd:"" help:"Do what a script says: wait for calls, expect, answer, break the protocol."`
	Prompt promptCommand `cmd:"" help:"The same step by step, as you type them."`
}

// place is where a function listens.
type place struct {
	Host string `help:"Address to listen on." default:"127.0.0.1" env:"HOST"`
	Port uint16 `help:"Port to listen on; 0 for any free one." default:"8080" env:"PORT"`
}

func (p place) address() string { return net.JoinHostPort(p.Host, fmt.Sprint(p.Port)) }

// start starts the function there and says where that is.
func (p place) start(function *mockfunction.Function, stdio mockcli.Stdio) error {
	if err := function.Start(p.address()); err != nil {
		return mockcli.Unmet{Why: fmt.Errorf("%w; choose another with --host and --port", err)}
	}
	serving(stdio, function.Addr())
	return nil
}

func serving(stdio mockcli.Stdio, address string) {
	fmt.Fprintf(stdio.Err, "cloudstate-mockfunction: serving on %s\n", address)
}

// flags are those of serve.
type flags struct {
	place
	MaxConcurrentStreams uint32 `help:"Streams that a proxy may have open on one connection; 0 for no limit." default:"0"`
	Restart              bool   `help:"Ask for a restart when a command fails after it emitted events, in place of rolling back."`
	Quiet                bool   `help:"Do not print what goes over the wire."`
}

// Run serves until ctx is done.
func (f *flags) Run(ctx context.Context, stdio mockcli.Stdio) error {
	cfg := mockfunction.Config{
		Spec:                 model.Spec(),
		EventSourced:         model.EventSourced{RestartOnFailure: f.Restart}.New,
		ValueEntity:          model.ValueEntity,
		Action:               model.Action,
		MaxConcurrentStreams: f.MaxConcurrentStreams,
	}
	if !f.Quiet {
		cfg.Recorder = trace.NewRecorder(1)
		defer cfg.Recorder.Show(stdio.Out)()
	}
	function := mockfunction.New(cfg)
	if err := f.start(function, stdio); err != nil {
		return err
	}
	<-ctx.Done()
	function.Kill()
	return nil
}
