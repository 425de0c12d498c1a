package main

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/alecthomas/kong"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
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

// flags are those of serve.
type flags struct {
	Host                 string `help:"Address to listen on." default:"127.0.0.1" env:"HOST"`
	Port                 uint16 `help:"Port to listen on; 0 for any free one." default:"8080" env:"PORT"`
	MaxConcurrentStreams uint32 `help:"Streams that a proxy may have open on one connection; 0 for no limit." default:"0"`
	Restart              bool   `help:"Ask for a restart when a command fails after it emitted events, in place of rolling back."`
	Quiet                bool   `help:"Do not print what goes over the wire."`
}

// run is the whole program, until ctx is done; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var line commands
	helped := false
	parser, err := kong.New(&line, kong.Name("cloudstate-mockfunction"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { helped = true }))
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	// Kong's exit after --help returns here, so what it says of the rest of the line is of no account then.
	parsed, err := parser.Parse(args)
	if helped {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockfunction: %v (--help shows the usage)\n", err)
		return 2
	}
	switch parsed.Selected().Name {
	case "replay":
		return line.Replay.run(ctx, stdout, stderr)
	case "script":
		return line.Script.run(ctx, stderr)
	case "prompt":
		return line.Prompt.run(ctx, stdout, stderr)
	}
	f := line.Serve
	cfg := mockfunction.Config{
		Spec:                 model.Spec(),
		EventSourced:         model.EventSourced{RestartOnFailure: f.Restart}.New,
		ValueEntity:          model.ValueEntity,
		Action:               model.Action,
		MaxConcurrentStreams: f.MaxConcurrentStreams,
	}
	if !f.Quiet {
		cfg.Recorder = trace.NewRecorder(1)
		defer cfg.Recorder.Show(stdout)()
	}
	function := mockfunction.New(cfg)
	if err := function.Start(net.JoinHostPort(f.Host, fmt.Sprint(f.Port))); err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockfunction: %v; choose another with --host and --port\n", err)
		return 1
	}
	fmt.Fprintf(stderr, "cloudstate-mockfunction: serving on %s\n", function.Addr())
	<-ctx.Done()
	function.Kill()
	return 0
}
