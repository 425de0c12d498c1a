package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/script"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// place is where a function listens.
type place struct {
	Host string `help:"Address to listen on." default:"127.0.0.1" env:"HOST"`
	Port uint16 `help:"Port to listen on; 0 for any free one." default:"8080" env:"PORT"`
}

func (p place) address() string { return net.JoinHostPort(p.Host, fmt.Sprint(p.Port)) }

// scriptCommand is `cloudstate-mockfunction script`.
type scriptCommand struct {
	place
	File  string        `arg:"" name:"script" help:"The script, in YAML; see docs/tck/mock-scripts.md."`
	Wait  time.Duration `default:"10s" help:"How long an expectation waits that does not say so itself."`
	Trace bool          `help:"Print everything that goes over the wire."`
}

// promptCommand is `cloudstate-mockfunction prompt`.
type promptCommand struct {
	place
	Wait time.Duration `default:"10s" help:"How long an expectation waits."`
}

// run runs the script; it returns the exit status.
func (c *scriptCommand) run(ctx context.Context, stderr io.Writer) int {
	s, err := script.Open(c.File, script.Function)
	if err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockfunction: %v\n", err)
		return 2
	}
	recorder := trace.NewRecorder(1)
	if c.Trace {
		defer recorder.Show(stderr)()
	}
	function, status := serveModel(c.address(), c.Wait, recorder, stderr)
	if function == nil {
		return status
	}
	defer function.StopWithin(grace)
	if err := s.Run(ctx, function.Side(), tracefile.NewTypes()); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// run is the prompt on stdin; it returns the exit status.
func (c *promptCommand) run(ctx context.Context, stdout, stderr io.Writer) int {
	out := script.Terminal(stdout)
	recorder := trace.NewRecorder(1)
	defer recorder.Show(out)()
	function, status := serveModel(c.address(), c.Wait, recorder, stderr)
	if function == nil {
		return status
	}
	defer function.StopWithin(grace)
	script.NewRunner(script.Function, function.Side(), tracefile.NewTypes()).Prompt(ctx, stdin, out, func(w io.Writer) {
		for _, entity := range model.Spec().GetEntities() {
			fmt.Fprintln(w, entity.GetEntityType(), entity.GetServiceName())
		}
	})
	return 0
}

// grace is how long what was sent last may take to arrive.
const grace = 2 * time.Second

// serveModel serves the TCK's model services, whose calls all wait for the script; without a function there is an exit status.
func serveModel(address string, wait time.Duration, recorder *trace.Recorder, stderr io.Writer) (*mockfunction.Function, int) {
	function := mockfunction.New(mockfunction.Config{Spec: model.Spec(), Wait: wait, Recorder: recorder})
	if err := function.Start(address); err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockfunction: %v; choose another with --host and --port\n", err)
		return nil, 1
	}
	fmt.Fprintf(stderr, "cloudstate-mockfunction: serving on %s\n", function.Addr())
	return function, 0
}

// stdin is where the person types; a test types for them.
var stdin io.Reader = os.Stdin
