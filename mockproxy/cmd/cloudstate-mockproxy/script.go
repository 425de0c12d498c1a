package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/script"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// scriptCommand is `cloudstate-mockproxy script`.
type scriptCommand struct {
	File     string        `arg:"" name:"script" help:"The script, in YAML; see docs/tck/mock-scripts.md."`
	Function string        `required:"true" placeholder:"HOST:PORT" help:"Where the user function listens."`
	Wait     time.Duration `default:"10s" help:"How long an expectation waits that does not say so itself."`
	Trace    bool          `help:"Print everything that goes over the wire."`
}

// promptCommand is `cloudstate-mockproxy prompt`.
type promptCommand struct {
	Function string        `required:"true" placeholder:"HOST:PORT" help:"Where the user function listens."`
	Wait     time.Duration `default:"10s" help:"How long an expectation waits."`
}

// run runs the script; it returns the exit status.
func (c *scriptCommand) run(ctx context.Context, stderr io.Writer) int {
	s, err := script.Open(c.File, script.Proxy)
	if err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockproxy: %v\n", err)
		return 2
	}
	recorder := trace.NewRecorder(1)
	if c.Trace {
		defer recorder.Show(stderr)()
	}
	proxy, err := mockproxy.Dial(c.Function, mockproxy.WithWait(c.Wait), mockproxy.WithRecorder(recorder))
	if err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockproxy: %v\n", err)
		return 2
	}
	defer proxy.Close()
	types := tracefile.NewTypes()
	// The user function's own payloads can be sent if it says what they are; a script may be about one that does not.
	if spec, err := proxy.With(mockproxy.WithRecorder(nil)).Discover(ctx, mockproxy.Info(0, 2)); err == nil {
		types.Learn(spec)
	}
	if err := s.Run(ctx, proxy.Side(types), types); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// run is the prompt on stdin; it returns the exit status.
func (c *promptCommand) run(ctx context.Context, stdout, stderr io.Writer) int {
	out := script.Terminal(stdout)
	recorder := trace.NewRecorder(1)
	proxy, err := mockproxy.Dial(c.Function, mockproxy.WithWait(c.Wait), mockproxy.WithRecorder(recorder))
	if err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockproxy: %v\n", err)
		return 2
	}
	defer proxy.Close()
	spec, err := proxy.Discover(ctx, mockproxy.Info(0, 2))
	if err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockproxy: discover: %v\n", err)
		return 1
	}
	served, err := readServices(spec)
	if err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockproxy: %v\n", err)
		return 1
	}
	types := tracefile.NewTypes()
	types.Learn(spec)
	defer recorder.Show(out)()
	runner := script.NewRunner(script.Proxy, proxy.Side(types), types)
	runner.Prompt(ctx, stdin, out, func(w io.Writer) {
		if err := served.print(w); err != nil {
			fmt.Fprintln(stderr, err)
		}
	})
	return 0
}

// stdin is where the person types; a test types for them.
var stdin io.Reader = os.Stdin
