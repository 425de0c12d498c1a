package main

import (
	"context"
	"time"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/mockcli"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// replay is `cloudstate-mockfunction replay`.
type replay struct {
	File  string `arg:"" name:"trace" help:"The trace file, such as cloudstate-tck record writes."`
	Proxy string `placeholder:"HOST:PORT" help:"Where clients call the proxy: send the recorded clients' commands there again. Without it, somebody else has to."`
	place
	Entity map[string]string `placeholder:"RECORDED=OTHER" help:"Expect another entity id than the recorded one, in payloads too. May be repeated."`
	Ignore []string          `placeholder:"FIELD" help:"Full name of a field that may differ, such as cloudstate.Command.metadata. May be repeated."`
	Wait   time.Duration     `default:"10s" help:"Give up when nothing has happened for so long."`
	Trace  bool              `help:"Print everything that went over the wire."`
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
	differences, err := mockfunction.Replay{
		Trace: recorded, Rules: match.Rules{Ignore: c.Ignore, Entities: c.Entity}, Listen: c.address(),
		Ready: func(address string) { serving(stdio, address) },
		Proxy: c.Proxy, Wait: c.Wait, Recorder: recorder,
	}.Run(ctx)
	return mockcli.Replayed(stdio, len(recorded.Messages), differences, err)
}
