// Command tck-mutants proves that the TCK bites; see package selftest. Exit status: 0 all mutants were killed; 1 one was not, a
// control failed, or too few MUSTs have a mutant; 2 they could not be judged.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/stateful-serverless/cloudstate/tck/selftest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("tck-mutants", flag.ContinueOnError)
	flags.SetOutput(errs)
	cfg := selftest.Config{}
	flags.StringVar(&cfg.Root, "root", ".", "the repository")
	flags.StringVar(&cfg.Out, "out", "out/mutants", "folder for the reports")
	flags.IntVar(&cfg.Parallel, "parallel", 16, "how many mutants are judged at once; mostly they wait for time limits to pass")
	flags.IntVar(&cfg.Sample, "sample", 8, "how many other cases each mutant is judged by")
	flags.Float64Var(&cfg.AtLeast, "at-least", 0, "percentage of the MUSTs with a case for which a mutant must be caught, when all mutants run")
	flags.Uint64Var(&cfg.Seed, "seed", 1, "chooses the samples and the order of the cases")
	flags.Usage = func() {
		fmt.Fprintln(errs, "usage: tck-mutants [flags] [mutant ...]\n\nBuilds the mutants of fixtures/mutants (all, or those named) and demands that the TCK catches each.")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return 2
	}
	cfg.Only = flags.Args()
	report, err := selftest.Run(ctx, cfg)
	if report != nil {
		report.Print(out)
		err = errors.Join(err, report.Write(cfg.Out))
	}
	if err != nil {
		fmt.Fprintf(errs, "tck-mutants: %s\n", strings.TrimSpace(err.Error()))
		return 2
	}
	if !report.Summary.Proven {
		return 1
	}
	return 0
}
