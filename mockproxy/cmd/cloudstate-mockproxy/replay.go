package main

import (
	"context"
	"time"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/mockcli"
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

// Run replays and prints the differences.
func (c *replay) Run(ctx context.Context, stdio mockcli.Stdio) error {
	recorded, err := tracefile.Open(c.File)
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
	differences, err := proxy.Replay(ctx, recorded, match.Rules{Ignore: c.Ignore, Entities: c.Entity})
	return mockcli.Replayed(stdio, len(recorded.Messages), differences, err)
}
