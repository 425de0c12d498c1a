package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stateful-serverless/cloudstate/tck/report"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// baselineCommand is `cloudstate-tck baseline`.
type baselineCommand struct {
	Report string `arg:"" help:"The report.json of a run, or the directory that it lies in."`
	File   string `arg:"" help:"The expected-failures file, which is made if it is not there."`
}

// Run brings the file up to date with the report.
func (c *baselineCommand) Run(stdio Stdio) error {
	r, err := report.Read(c.Report)
	if err != nil {
		return err
	}
	return writeBaseline(stdio, c.File, r)
}

// writeBaseline brings the expected-failures file up to date with the report, and says what changed.
func writeBaseline(stdio Stdio, path string, r *verdict.Report) error {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	updated, done, err := verdict.Baseline(path, text, r)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, updated, 0o644); err != nil { //nolint:gosec // such a list is for others to read
		return err
	}
	for _, part := range []struct {
		what string
		ids  []string
	}{{"added, say why", done.Added}, {"removed", done.Removed}, {"flaky, not announced", done.Flaky}} {
		for _, id := range part.ids {
			if _, err := fmt.Fprintf(stdio.Out, "%s: %s\n", part.what, id); err != nil {
				return err
			}
		}
	}
	_, err = fmt.Fprintf(stdio.Out, "%s: %d expected failures, %d of them new, %d removed\n", path, len(done.Kept)+len(done.Added), len(done.Added), len(done.Removed))
	return err
}
