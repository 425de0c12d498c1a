package mockcli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
)

// Stdio is where a command reads what a person types, and writes.
type Stdio struct {
	In       io.Reader
	Out, Err io.Writer
}

// Unmet ends a command whose peer did not do what was wanted.
type Unmet struct {
	// Why is what to say about it; nil when the command has said so itself.
	Why error
}

// Error implements error.
func (u Unmet) Error() string {
	if u.Why == nil {
		return "not as wanted"
	}
	return u.Why.Error()
}

// Run executes the command line args (without the program's name) and returns the exit status. The grammar is a pointer to a struct as kong reads it;
// its commands have a method Run, which may take the context and the Stdio. Use a grammar once only.
func Run(ctx context.Context, args []string, stdio Stdio, grammar any, options ...kong.Option) int {
	helped := false
	parser, err := kong.New(grammar, append(options, kong.Writers(stdio.Out, stdio.Err), kong.Exit(func(int) { helped = true }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(stdio))...)
	if err != nil {
		fmt.Fprintln(stdio.Err, err)
		return 2
	}
	// Kong's exit after --help returns here, so what it says of the rest of the line is of no account then.
	parsed, err := parser.Parse(args)
	if helped {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stdio.Err, "%s: %v (--help shows the usage)\n", parser.Model.Name, err)
		return 2
	}
	status := 0
	if err = parsed.Run(); err != nil {
		status = 2
	}
	if unmet := (Unmet{}); errors.As(err, &unmet) {
		status, err = 1, unmet.Why
	}
	if err != nil {
		fmt.Fprintf(stdio.Err, "%s: %v\n", parser.Model.Name, err)
	}
	return status
}

// Replayed prints what the replay of that many recorded messages came to, and returns how the command ends. The error is of a replay that could not
// go on.
func Replayed(stdio Stdio, messages int, differences []error, err error) error {
	match.Report(stdio.Out, differences)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdio.Out, "%d recorded messages replayed, %d differences\n", messages, len(differences))
	if len(differences) > 0 {
		return Unmet{}
	}
	return nil
}
