package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// roles are what this program does when it is a part of the floor.
var roles = map[string]func(context.Context, []string, io.Writer) error{
	"echo":    runEcho,
	"pass":    runPass,
	"streams": runStreams,
}

var errMissed = errors.New("a target was missed")

func main() {
	os.Exit(run()) //nolint:forbidigo // this is main
}

// run is main with an exit status.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var err error
	if args := os.Args[1:]; len(args) > 0 && roles[args[0]] != nil {
		err = roles[args[0]](ctx, args[1:], os.Stdout)
	} else {
		err = runBench(ctx, os.Args[1:], os.Stdout, progressTo(os.Stderr))
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// progressTo is f when a person watches it.
func progressTo(f *os.File) io.Writer {
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return io.Discard
	}
	return f
}

func runBench(ctx context.Context, args []string, stdout, progress io.Writer) (err error) {
	s, err := parseSettings(args)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.Out, 0o755); err != nil {
		return err
	}
	sys, err := newSystem(s)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, sys.stop(), os.RemoveAll(filepath.Join(s.Out, "data")))
	}()
	began := time.Now()
	m := inspect()
	var f *footprint
	if s.Instances > 0 && s.Only != onlyStores {
		if f, err = measureFootprint(ctx, sys, progress); err != nil {
			return err
		}
	}
	var results []result
	if s.Only != onlyStores {
		if results, err = compare(ctx, sys, progress); err != nil {
			return err
		}
	}
	// The processes of the rows have nothing to do with the databases.
	if err := sys.stop(); err != nil {
		return err
	}
	stores, err := measureStores(ctx, sys, progress)
	if err != nil {
		return err
	}
	m.LoadAfter = firstWord("/proc/loadavg")
	r := newReport(s, m, began, results, stores, f)
	if err := r.print(stdout); err != nil {
		return err
	}
	path, err := r.write(s.Out)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "\nAll numbers of this run are in %s\n", path)
	if s.Check && r.missed() > 0 {
		return fmt.Errorf("%w: see ✗ above", errMissed)
	}
	return nil
}
