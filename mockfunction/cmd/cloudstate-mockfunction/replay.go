package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// replay is `cloudstate-mockfunction replay`.
type replay struct {
	File   string            `arg:"" name:"trace" help:"The trace file, such as cloudstate-tck record writes."`
	Proxy  string            `placeholder:"HOST:PORT" help:"Where clients call the proxy: send the recorded clients' commands there again. Without it, somebody else has to."`
	Host   string            `help:"Address to listen on." default:"127.0.0.1" env:"HOST"`
	Port   uint16            `help:"Port to listen on; 0 for any free one." default:"8080" env:"PORT"`
	Entity map[string]string `placeholder:"RECORDED=OTHER" help:"Expect another entity id than the recorded one, in payloads too. May be repeated."`
	Ignore []string          `placeholder:"FIELD" help:"Full name of a field that may differ, such as cloudstate.Command.metadata. May be repeated."`
	Wait   time.Duration     `default:"10s" help:"Give up when nothing has happened for so long."`
	Trace  bool              `help:"Print everything that went over the wire."`
}

// run replays and prints the differences; it returns the exit status.
func (c *replay) run(ctx context.Context, stdout, stderr io.Writer) int {
	recorded, err := tracefile.Open(c.File)
	if err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockfunction: %v\n", err)
		return 2
	}
	recorder := trace.NewRecorder(1)
	if c.Trace {
		defer recorder.Show(stderr)()
	}
	differences, err := mockfunction.Replay{
		Trace: recorded, Rules: match.Rules{Ignore: c.Ignore, Entities: c.Entity}, Listen: net.JoinHostPort(c.Host, fmt.Sprint(c.Port)),
		Ready: func(address string) { fmt.Fprintf(stderr, "cloudstate-mockfunction: serving on %s\n", address) },
		Proxy: c.Proxy, Wait: c.Wait, Recorder: recorder,
	}.Run(ctx)
	match.Report(stdout, differences)
	if err != nil {
		fmt.Fprintf(stderr, "cloudstate-mockfunction: %v\n", err)
		return 2
	}
	fmt.Fprintf(stdout, "%d recorded messages replayed, %d differences\n", len(recorded.Messages), len(differences))
	if len(differences) > 0 {
		return 1
	}
	return 0
}
