package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/stateful-serverless/cloudstate/spec"
)

// The exit statuses.
const (
	exitClean    = 0
	exitFindings = 1
	exitTrouble  = 2
)

const usage = `speccheck holds SPEC.md, the ids published before and the TCK's cases against each other.

  cloudstate-tck list --json | speccheck -cases -      check everything
  speccheck                                            check SPEC.md and the ids alone
  speccheck -spec SPEC.md -update-ids                  publish the ids that SPEC.md newly has, and write its version's table of profiles
  speccheck -release                                   freeze that table: SPEC.md's version is released

Flags:
`

// options are the flags, all paths as given.
type options struct {
	spec   string
	ids    string
	cases  string
	update bool
	// profiles is the folder of the tables of profiles.
	profiles string
	release  bool
}

// run is the whole command: the arguments without the program's name in, the exit status out.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var out, trouble strings.Builder
	status := execute(args, stdin, &out, &trouble)
	_, outErr := io.WriteString(stdout, out.String())
	_, troubleErr := io.WriteString(stderr, trouble.String())
	if outErr != nil || troubleErr != nil {
		return exitTrouble // what was found reached nobody
	}
	return status
}

func execute(args []string, stdin io.Reader, out, trouble *strings.Builder) int {
	o, err := parseFlags(args, trouble)
	if errors.Is(err, flag.ErrHelp) {
		return exitClean
	}
	if err != nil {
		return exitTrouble
	}
	findings, err := check(o, stdin, out)
	if err != nil {
		fmt.Fprintf(trouble, "speccheck: %v\n", err)
		return exitTrouble
	}
	if findings > 0 {
		return exitFindings
	}
	return exitClean
}

func parseFlags(args []string, trouble *strings.Builder) (options, error) {
	var o options
	flags := flag.NewFlagSet("speccheck", flag.ContinueOnError)
	flags.SetOutput(trouble)
	flags.Usage = func() {
		trouble.WriteString(usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.spec, "spec", "", "read the standard from `file` instead of the text built into this program")
	flags.StringVar(&o.ids, "ids", "spec/ids.txt", "the `file` of ids published before")
	flags.StringVar(&o.cases, "cases", "", "the `file` with the output of \"cloudstate-tck list --json\"; - is standard input; without it cases are not checked")
	flags.StringVar(&o.profiles, "profiles", "", "the `folder` of the tables of profiles; profiles/ beside the file of ids unless told otherwise")
	flags.BoolVar(&o.update, "update-ids", false, "add the ids that are new in SPEC.md to the file of ids, and write the table of profiles of SPEC.md's version; refused while an id has vanished or the version is released")
	flags.BoolVar(&o.release, "release", false, "freeze the table of profiles of SPEC.md's version")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("unexpected argument %q; files are given by flags, see -help", flags.Arg(0))
		fmt.Fprintf(trouble, "speccheck: %v\n", err)
		return o, err
	}
	if o.profiles == "" {
		o.profiles = filepath.Join(filepath.Dir(o.ids), "profiles")
	}
	return o, nil
}

// check does the work that the options ask for, prints its findings and returns how many there are.
func check(o options, stdin io.Reader, out *strings.Builder) (int, error) {
	catalogue, err := readSpec(o.spec)
	var faulty *spec.FaultError
	if errors.As(err, &faulty) {
		fmt.Fprintln(out, err)
		return 1, nil // what else could be found rests on a catalogue
	}
	if err != nil {
		return 0, err
	}
	findings, err := checkIDs(catalogue, o.ids, o.update)
	if err != nil {
		return 0, err
	}
	frozen, err := checkProfiles(catalogue, o)
	if err != nil {
		return 0, err
	}
	findings = append(findings, frozen...)
	if o.cases == "" {
		report(out, findings)
		return len(findings), nil
	}
	cases, err := readCases(o.cases, stdin)
	if err != nil {
		return 0, err
	}
	findings = append(findings, checkCases(catalogue, cases)...)
	if err := printCoverage(out, cover(catalogue, cases)); err != nil {
		return 0, err
	}
	report(out, findings)
	return len(findings), nil
}

func readSpec(path string) (*spec.Catalogue, error) {
	if path == "" {
		return spec.Load()
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the standard cannot be read: %w; -spec names the file", err)
	}
	return spec.Parse(text)
}
