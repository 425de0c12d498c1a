package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/mockcli"
	"github.com/stateful-serverless/cloudstate/protocols/trace/script"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

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

// Run runs the script.
func (c *scriptCommand) Run(ctx context.Context, stdio mockcli.Stdio) error {
	s, err := script.Open(c.File, script.Function)
	if err != nil {
		return err
	}
	recorder := trace.NewRecorder(1)
	if c.Trace {
		defer recorder.Show(stdio.Err)()
	}
	function := modelFunction(c.Wait, recorder)
	if err := c.start(function, stdio); err != nil {
		return err
	}
	defer function.StopWithin(grace)
	if err := s.Run(ctx, function.Side(), tracefile.NewTypes()); err != nil {
		fmt.Fprintln(stdio.Err, err) // which begins with the place in the script
		return mockcli.Unmet{}
	}
	return nil
}

// Run is the prompt.
func (c *promptCommand) Run(ctx context.Context, stdio mockcli.Stdio) error {
	out := script.Terminal(stdio.Out)
	recorder := trace.NewRecorder(1)
	defer recorder.Show(out)()
	function := modelFunction(c.Wait, recorder)
	if err := c.start(function, stdio); err != nil {
		return err
	}
	defer function.StopWithin(grace)
	script.NewRunner(script.Function, function.Side(), tracefile.NewTypes()).Prompt(ctx, stdio.In, out, func(w io.Writer) {
		for _, entity := range model.Spec().GetEntities() {
			fmt.Fprintln(w, entity.GetEntityType(), entity.GetServiceName())
		}
	})
	return nil
}

// grace is how long what was sent last may take to arrive.
const grace = 2 * time.Second

// modelFunction serves the TCK's model services, whose calls all wait for the script.
func modelFunction(wait time.Duration, recorder *trace.Recorder) *mockfunction.Function {
	return mockfunction.New(mockfunction.Config{Spec: model.Spec(), Wait: wait, Recorder: recorder})
}
