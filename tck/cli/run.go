package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// The exit statuses.
const (
	// ExitOK: the run conforms (or the list was printed).
	ExitOK = 0
	// ExitFailed: a MUST failed, or is flaky, that was not announced, or an announced failure did not happen.
	ExitFailed = 1
	// ExitUsage: what was asked for makes no sense; nothing was started.
	ExitUsage = 2
	// ExitIncomplete: nothing failed, but not everything that applies was judged, or what came of it could not be written: a target did not come up, the kit was
	// at fault, a case is missing, a disk is full.
	ExitIncomplete = 3
)

// Stdio is where the command writes.
type Stdio struct{ Out, Err io.Writer }

// commands is the grammar of the command line.
type commands struct {
	Run          runCommand          `cmd:"" help:"Judge a proxy, a frontend (support library), or both, and write a report."`
	Fuzz         fuzzCommand         `cmd:"" help:"Hold made-up and broken conversations with a proxy or a frontend, and shorten what makes it fail."`
	Matrix       matrixCommand       `cmd:"" help:"Judge the combinations of proxies, frontends, stores and environments that a tck.yaml declares."`
	List         listCommand         `cmd:"" help:"List the cases."`
	Environments environmentsCommand `cmd:"" help:"List the environments: what may befall a pair while it is judged."`
	Explain      explainCommand      `cmd:"" help:"Explain a requirement or a case: its text, whom it binds, and what proves it."`
	Baseline     baselineCommand     `cmd:"" help:"Bring an expected-failures file up to date with a report."`
	Compare      compareCommand      `cmd:"" help:"Compare two reports, regressions first; exit status 1 if there is one."`
	Site         siteCommand         `cmd:"" help:"Write a static site of several reports: a matrix of requirements, and a page for each report."`
	Claim        claimCommand        `cmd:"" help:"Write down that an implementation conforms, with the results and how to show it again."`
	Verify       verifyCommand       `cmd:"" name:"verify-claim" help:"Judge again as a claim says; exit status 1 if it does not hold."`
	Record       recordCommand       `cmd:"" help:"Stand between a proxy and its user function and write what passes to a trace file."`
	DiffTrace    diffTraceCommand    `cmd:"" help:"Say how one trace file differs from another: exit status 0 same, 1 different, 2 unusable."`
}

const description = `Judges Cloudstate proxies, language support libraries and stores, requirement by requirement, against SPEC.md.

A library is judged by its TCK model: a user function with the services of protocols/tck. A proxy is judged with a user function that the kit
plays. Both together are judged as a pair besides, with a recorder between them.

Examples:

  cloudstate-tck run --proxy builtin:reference --frontend builtin:go --store embedded --out out/tck
  cloudstate-tck run --frontend 'exec:java -jar model.jar' --expected-failures known.yaml
  cloudstate-tck run --frontend addr:127.0.0.1:8080 --label es --watch
  cloudstate-tck fuzz --frontend builtin:go --conversations 100000
  cloudstate-tck matrix --config tck.yaml --out out/matrix
  cloudstate-tck explain ES-20
  cloudstate-tck compare out/yesterday out/today
  cloudstate-tck record --listen 127.0.0.1:8080 --function 127.0.0.1:8081 --out cart.trace

Exit status: 0 conforms; 1 a MUST failed or is flaky, or an announced failure did not happen; 2 the command line makes no sense; 3 nothing failed, but not
everything that applies was judged, or the result could not be written.`

// Run executes the command line args (without the program's name) and returns the exit status. It returns when ctx ends, with the report of what
// ran until then. A process can judge once: Ginkgo allows no second run.
func Run(ctx context.Context, args []string, stdio Stdio) int {
	var grammar commands
	exited := -1
	parser, err := kong.New(&grammar,
		kong.Name("cloudstate-tck"), kong.Description(description), kong.Writers(stdio.Out, stdio.Err),
		kong.Exit(func(code int) {
			exited = code
			panic(helpShown{}) //nolint:forbidigo // kong goes on unless its exit function does not return; parse recovers
		}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(stdio, arguments(args)))
	if err != nil {
		return fail(stdio, ExitUsage, err)
	}
	parsed, helped, err := parse(parser, args)
	if helped {
		return exited
	}
	if err != nil {
		fail(stdio, ExitUsage, err)
		_, _ = fmt.Fprintln(stdio.Err, "Try cloudstate-tck --help, or cloudstate-tck run --help.")
		return ExitUsage
	}
	err = parsed.Run()
	var status exitStatus
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &status):
		return int(status)
	default:
		return fail(stdio, ExitUsage, err)
	}
}

// arguments are those of the whole command line, for a command that starts itself again.
type arguments []string

// exitStatus ends a command with a status and no further words.
type exitStatus int

// Error implements error.
func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// helpShown unwinds the parser after --help, which by itself would end the process.
type helpShown struct{}

func parse(parser *kong.Kong, args []string) (parsed *kong.Context, helped bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(helpShown); !ok {
				panic(p) //nolint:forbidigo // not ours to swallow
			}
			helped = true
		}
	}()
	parsed, err = parser.Parse(args)
	return parsed, false, err
}

func fail(stdio Stdio, status int, err error) int {
	_, _ = fmt.Fprintf(stdio.Err, "cloudstate-tck: %v\n", err)
	return status
}

// ended tells of err and ends a command with the status.
func ended(stdio Stdio, status int, err error) error { return exitStatus(fail(stdio, status, err)) }

// concluded ends a command that has judged. unwritten is what kept the result from being written, which then is not whole.
func concluded(stdio Stdio, conclusion verdict.Conclusion, unwritten error) error {
	if unwritten != nil {
		fail(stdio, ExitIncomplete, unwritten)
	}
	switch {
	case conclusion == verdict.Breaks:
		return exitStatus(ExitFailed)
	case conclusion == verdict.Conforms && unwritten == nil:
		return nil
	}
	return exitStatus(ExitIncomplete)
}

// terminal tells whether w shows colours: it is a terminal, and nobody said NO_COLOR.
func terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
