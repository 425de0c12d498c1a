package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/engine"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// errWatch says what --watch cannot do.
var errWatch = errors.New("--watch: the kit starts such a target itself and cannot see when it changes; start it yourself and name it addr:<host:port>")

// watch judges again and again until ctx ends. Each run is a process of its own, since Ginkgo runs once a process.
func watch(ctx context.Context, stdio Stdio, config engine.Config, args arguments) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("--watch: %w", err)
	}
	once := withoutWatch(args)
	for {
		changed := make(chan error, 2)
		watching, stop := context.WithCancel(ctx)
		watched := 0
		for _, ref := range []target.Ref{config.Proxy, config.Frontend} {
			if ref.IsZero() {
				continue
			}
			if ref.Scheme != target.Addr && ref.Scheme != target.Builtin {
				stop()
				return fmt.Errorf("%w, in place of %s", errWatch, ref)
			}
			watched++
			go func() { changed <- target.Changed(watching, ref) }()
		}
		if watched == 0 {
			stop()
			return errors.New("--watch: nothing to watch: name a proxy or a frontend")
		}
		run := exec.CommandContext(ctx, self, once...)
		run.Stdout, run.Stderr = stdio.Out, stdio.Err
		run.Cancel = func() error { return run.Process.Signal(os.Interrupt) } // it ends its targets itself
		run.WaitDelay = 30 * time.Second
		err := run.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			stop()
			return fmt.Errorf("--watch: %w", err)
		}
		if exit != nil && exit.ExitCode() == ExitUsage {
			stop()
			return exitStatus(ExitUsage)
		}
		_, _ = fmt.Fprintln(stdio.Err, "watching: restart the target to judge it again, Ctrl-C to end")
		err = <-changed
		stop()
		for range watched - 1 {
			<-changed //nolint:errcheck // the other target's watcher ends because this round does
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // Ctrl-C is how a watch ends
		}
		if err != nil {
			return fmt.Errorf("--watch: %w", err)
		}
	}
}

// withoutWatch returns args for a single run.
func withoutWatch(args []string) []string {
	var once []string
	for _, arg := range args {
		if arg != "--watch" && !strings.HasPrefix(arg, "--watch=") {
			once = append(once, arg)
		}
	}
	return once
}
