package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/claim"
	"github.com/stateful-serverless/cloudstate/tck/engine"
	"github.com/stateful-serverless/cloudstate/tck/report"
)

// claimCommand is `cloudstate-tck claim`.
type claimCommand struct {
	Report  string   `arg:"" help:"The report.json that shows it, or the directory that it lies in."`
	Out     string   `default:"claim.json" placeholder:"FILE" help:"Write the claim here (${default})."`
	Party   string   `enum:"proxy,frontend," default:"" placeholder:"PARTY" help:"Whose claim it is, when both were judged: proxy or frontend."`
	Profile []string `placeholder:"NAME" help:"Claim only these profiles, and core. May be repeated; all that the target claims, unless told otherwise."`
	Name    string   `help:"The implementation's name; what it says of itself, unless told otherwise."`
	Version string   `help:"Its version."`
	Note    string   `help:"What the command needs besides, for who verifies it: programs, databases, variables."`
}

// Run writes the claim, or says why the report does not bear it, which is exit status 1.
func (c *claimCommand) Run(stdio Stdio) error {
	r, err := report.Read(c.Report)
	if err != nil {
		return err
	}
	made, err := claim.New(r, claim.Subject{Party: spec.Party(c.Party), Profiles: c.Profile, Name: c.Name, Version: c.Version, Note: c.Note})
	if errors.Is(err, claim.ErrUnfounded) {
		return ended(stdio, ExitFailed, err)
	}
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := made.Write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(c.Out, b.Bytes(), 0o644); err != nil { //nolint:gosec // a claim is for others to read
		return fmt.Errorf("--out: %w", err)
	}
	_, err = fmt.Fprintf(stdio.Out, "%s\n%s\n%s\n", made.Sentence(), made.Digest, c.Out)
	return err
}

// verifyCommand is `cloudstate-tck verify-claim`.
type verifyCommand struct {
	Claim    string `arg:"" help:"The claim. What it says is run: read it first, or look at it with --show."`
	Show     bool   `help:"Show what is claimed and the command, and run nothing."`
	Proxy    string `placeholder:"TARGET" help:"The proxy, in place of the one that the claim's command names."`
	Frontend string `placeholder:"TARGET" help:"The frontend, likewise."`
	Out      string `placeholder:"DIR" help:"Write the reports of the new run here."`
}

// Run judges again as the claim says. Exit status 1 says that the claim does not hold, with the differences; a run that was cut short says nothing of it.
func (c *verifyCommand) Run(ctx context.Context, stdio Stdio) error {
	claimed, err := claim.Read(c.Claim)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdio.Out, "%s\n%s\ncloudstate-tck %s\n", plain(claimed.Sentence()), claimed.Digest, quoted(claimed.Reproduce.Command)); err != nil {
		return err
	}
	if note := claimed.Reproduce.Note; note != "" {
		if _, err := fmt.Fprintf(stdio.Out, "note: %s\n", plain(note)); err != nil {
			return err
		}
	}
	if c.Show {
		return nil
	}
	again, err := parseRun(claimed.Reproduce.Command)
	if err != nil {
		return fmt.Errorf("%s: its command cannot be run: %w", c.Claim, err)
	}
	if c.Proxy != "" {
		again.Proxy = c.Proxy
	}
	if c.Frontend != "" {
		again.Frontend = c.Frontend
	}
	config, err := again.config()
	if err != nil {
		return fmt.Errorf("%s: its command cannot be run: %w", c.Claim, err)
	}
	config.Command = claimed.Reproduce.Command
	live := newProgress(stdio.Err, terminal(stdio.Err))
	config.Events = live
	result, err := engine.Run(ctx, config)
	live.done()
	if err != nil {
		return err
	}
	if c.Out != "" {
		if _, err := report.Write(c.Out, result); err != nil {
			return ended(stdio, ExitIncomplete, err)
		}
	}
	if ctx.Err() != nil {
		return ended(stdio, ExitIncomplete, errors.New("interrupted: whether the claim holds was not found out"))
	}
	differences := claimed.Differences(result)
	if len(differences) == 0 {
		_, err := fmt.Fprintln(stdio.Out, "the claim holds")
		return err
	}
	if _, err := fmt.Fprintf(stdio.Out, "the claim does not hold:\n  %s\n", strings.Join(differences, "\n  ")); err != nil {
		return err
	}
	return exitStatus(ExitFailed)
}

// parseRun reads the arguments of `cloudstate-tck run` that a file has.
func parseRun(args []string) (*runCommand, error) {
	var grammar struct {
		Run runCommand `cmd:""`
	}
	parser, err := kong.New(&grammar, kong.Name("cloudstate-tck"), kong.Writers(io.Discard, io.Discard), kong.NoDefaultHelp())
	if err != nil {
		return nil, err
	}
	if _, err := parser.Parse(args); err != nil {
		return nil, err
	}
	return &grammar.Run, nil
}

// plain is somebody else's text on a line: what a terminal would obey, and not show, is replaced.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '�'
		}
		return r
	}, text)
}

// quoted is args as one types them into a shell. What a terminal would obey, and not show, is written out: whoever reads a command before it is run must
// see all of it.
func quoted(args []string) string {
	var out []string
	for _, arg := range args {
		if plain(arg) != arg {
			escaped := strconv.Quote(arg)
			arg = "$'" + strings.NewReplacer(`\\`, `\\`, `\"`, `"`, `'`, `\'`).Replace(escaped[1:len(escaped)-1]) + "'"
		} else if arg == "" || strings.ContainsAny(arg, " \t\n'\"\\$`&|;<>()*?[]#~!{}") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		out = append(out, arg)
	}
	return strings.Join(out, " ")
}
