package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
	"github.com/stateful-serverless/cloudstate/tck/intercept"
)

// recordCommand is `cloudstate-tck record`.
type recordCommand struct {
	Listen   string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where the proxy looks for its user function (${default})."`
	Function string `required:"true" placeholder:"HOST:PORT" help:"Where the user function really is."`
	Out      string `required:"true" placeholder:"FILE" help:"The trace file, a new one. It holds all that passes, payloads and metadata included."`
	Note     string `placeholder:"TEXT" help:"What is recorded, for whoever reads the file."`
}

// Run relays and records until ctx ends.
func (c *recordCommand) Run(ctx context.Context, stdio Stdio) error {
	file, err := os.OpenFile(filepath.Clean(c.Out), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("--out wants a file that is not there yet: %w", err)
	}
	defer file.Close()
	writer, err := tracefile.NewWriter(file, tracefile.Header{MadeBy: kit(), Began: time.Now(), Note: c.Note})
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	// What passes is written at once and in order; the recorder itself need keep nothing.
	recorder := trace.NewRecorder(1)
	failed := make(chan error, 1)
	written := 0
	recorder.Follow(func(m trace.Message) {
		if err := writer.Write(m); err != nil {
			select {
			case failed <- err:
			default:
			}
			return
		}
		written++
	})
	relay, err := intercept.Start(c.Listen, c.Function, recorder, nil)
	if err != nil {
		_ = os.Remove(file.Name()) // nothing was recorded
		return fmt.Errorf("--listen: %w", err)
	}
	fmt.Fprintf(stdio.Err, "cloudstate-tck: recording between the proxy, at %s, and the user function at %s; Ctrl-C ends it\n", relay.Addr(), c.Function)
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	relay.Close()
	recorder.Follow(nil) // no more writes from here on
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return ended(stdio, ExitFailed, err)
	}
	_, err = fmt.Fprintf(stdio.Out, "%d messages in %s\n", written, c.Out)
	return err
}
