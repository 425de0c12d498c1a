package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/mockcli"
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

// Run runs the script.
func (c *scriptCommand) Run(ctx context.Context, stdio mockcli.Stdio) error {
	s, err := script.Open(c.File, script.Proxy)
	if err != nil {
		return err
	}
	recorder := trace.NewRecorder(1)
	if c.Trace {
		defer recorder.Show(stdio.Err)()
	}
	proxy, err := mockproxy.Dial(c.Function, mockproxy.WithWait(c.Wait), mockproxy.WithRecorder(recorder))
	if err != nil {
		return err
	}
	defer proxy.Close()
	types := tracefile.NewTypes()
	// The user function's own payloads can be sent if it says what they are; a script may be about one that does not.
	if spec, err := proxy.With(mockproxy.WithRecorder(nil)).Discover(ctx, mockproxy.Info(0, 2)); err == nil {
		types.Learn(spec)
	}
	if err := s.Run(ctx, proxy.Side(types), types); err != nil {
		fmt.Fprintln(stdio.Err, err) // which begins with the place in the script
		return mockcli.Unmet{}
	}
	return nil
}

// Run is the prompt.
func (c *promptCommand) Run(ctx context.Context, stdio mockcli.Stdio) error {
	out := script.Terminal(stdio.Out)
	recorder := trace.NewRecorder(1)
	proxy, err := mockproxy.Dial(c.Function, mockproxy.WithWait(c.Wait), mockproxy.WithRecorder(recorder))
	if err != nil {
		return err
	}
	defer proxy.Close()
	spec, err := proxy.Discover(ctx, mockproxy.Info(0, 2))
	if err != nil {
		return mockcli.Unmet{Why: fmt.Errorf("discover: %w", err)}
	}
	served, err := readServices(spec)
	if err != nil {
		return mockcli.Unmet{Why: err}
	}
	types := tracefile.NewTypes()
	types.Learn(spec)
	defer recorder.Show(out)()
	runner := script.NewRunner(script.Proxy, proxy.Side(types), types)
	runner.Prompt(ctx, stdio.In, out, func(w io.Writer) {
		if err := served.print(w); err != nil {
			fmt.Fprintln(stdio.Err, err)
		}
	})
	return nil
}
