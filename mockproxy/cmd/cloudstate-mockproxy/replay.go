package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// replay is `cloudstate-mockproxy replay`.
type replay struct {
	File     string            `arg:"" name:"trace" help:"The trace file, such as cloudstate-tck record writes."`
	Function string            `required:"true" placeholder:"HOST:PORT" help:"Where the user function listens."`
	Entity   map[string]string `placeholder:"RECORDED=OTHER" help:"Use another entity id than the recorded one, in payloads too. May be repeated."`
	Ignore   []string          `placeholder:"FIELD" help:"Full name of a field that may differ, such as cloudstate.Failure.description. May be repeated."`
	Wait     time.Duration     `default:"10s" help:"How long to wait for each answer."`
	Trace    bool              `help:"Print everything that went over the wire."`
}

// run replays and prints the differences; it returns the exit status.
func (c *replay) run(ctx context.Context, stdout, stderr io.Writer) int {
	recorded, err := tracefile.Open(c.File)
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
	differences, err := proxy.Replay(ctx, recorded, match.Rules{Ignore: c.Ignore, Entities: c.Entity})
	match.Report(stdout, differences)
	if err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockproxy: %v\n", err)
		return 2
	}
	fmt.Fprintf(stdout, "%d recorded messages replayed, %d differences\n", len(recorded.Messages), len(differences))
	if len(differences) > 0 {
		return 1
	}
	return 0
}
