package cli

import (
	"fmt"

	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// diffTraceCommand is `cloudstate-tck diff-trace`.
type diffTraceCommand struct {
	First  string            `arg:"" help:"A trace file."`
	Second string            `arg:"" help:"Another one."`
	Entity map[string]string `placeholder:"FIRST=SECOND" help:"An entity id of the first that is another one in the second, in payloads too. May be repeated."`
	Ignore []string          `placeholder:"FIELD" help:"Full name of a field that may differ, such as cloudstate.Failure.description. May be repeated."`
}

// Run prints how the second differs from the first.
func (c *diffTraceCommand) Run(stdio Stdio) error {
	first, err := tracefile.Open(c.First)
	if err != nil {
		return err
	}
	second, err := tracefile.Open(c.Second)
	if err != nil {
		return err
	}
	differences := match.Traces(first, second, match.Rules{Ignore: c.Ignore, Entities: c.Entity})
	match.Report(stdio.Out, differences)
	if _, err := fmt.Fprintf(stdio.Out, "%d and %d messages, %d differences\n", len(first.Messages), len(second.Messages), len(differences)); err != nil {
		return err
	}
	if len(differences) > 0 {
		return exitStatus(ExitFailed)
	}
	return nil
}
