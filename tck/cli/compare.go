package cli

import (
	"github.com/stateful-serverless/cloudstate/tck/report"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// compareCommand is `cloudstate-tck compare`.
type compareCommand struct {
	Old      string `arg:"" help:"The older report.json, or the directory that it lies in."`
	New      string `arg:"" help:"The newer one."`
	Markdown bool   `help:"As Markdown, for a pull request or a job's summary."`
}

// Run compares. A regression is exit status 1.
func (c *compareCommand) Run(stdio Stdio) error {
	older, err := report.Read(c.Old)
	if err != nil {
		return err
	}
	newer, err := report.Read(c.New)
	if err != nil {
		return err
	}
	comparison := verdict.Compare(older, newer)
	if c.Markdown {
		err = report.ComparisonMarkdown(stdio.Out, comparison)
	} else {
		err = report.Comparison(stdio.Out, comparison, terminal(stdio.Out))
	}
	if err == nil && comparison.Regressions.Len() > 0 {
		return exitStatus(ExitFailed)
	}
	return err
}
