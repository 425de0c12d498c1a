package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/engine"
	"github.com/stateful-serverless/cloudstate/tck/environment"
	"github.com/stateful-serverless/cloudstate/tck/report"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// runCommand is `cloudstate-tck run`.
type runCommand struct {
	Config   string `placeholder:"FILE" help:"A tck.yaml that declares targets: --proxy, --frontend and --store then may be names of it."`
	Proxy    string `placeholder:"TARGET" help:"The proxy to judge: builtin:reference, exec:<command line> (run by sh, told by the environment where to listen), addr:<host:port>, image:<name>, dockerfile:<path>, or a name in --config."`
	Frontend string `placeholder:"TARGET" help:"The frontend to judge, serving the TCK's model: builtin:go, exec:<command line>, addr:<host:port>, image:<name>, dockerfile:<path>, or a name in --config."`
	Store    string `placeholder:"NAME" help:"A store that --config declares, or the store that the proxy is started with (CLOUDSTATE_STORE), such as memory, embedded, postgres or cassandra. What it needs besides, such as where the database is, comes from the environment; directory and namespace are new for each proxy."`

	StoreAway     string `placeholder:"COMMAND" help:"Shell command that makes the store unreachable, for the profile remote-store. Goes with --store-back."`
	StoreBack     string `placeholder:"COMMAND" help:"Shell command that brings it back, and returns when it can be reached."`
	StoreAddress  string `placeholder:"HOST:PORT" help:"Where the store listens: environments with links put one in front of it, and the environment variables that contain this text reach the proxy with the link's address instead."`
	Environment   string `default:"plain" placeholder:"NAME" help:"What befalls the pair while it is judged (${default}); see cloudstate-tck environments."`
	Disturbances  int    `default:"25" placeholder:"N" help:"How many disturbances each case of an environment sees (${default})."`
	FewNamespaces bool   `help:"Give the namespace of a proxy that has stopped in an orderly way to the next one that a case has for itself: for databases in which making tables takes long."`

	Suite []string `enum:"frontend,proxy,pair" placeholder:"KIND" help:"Only cases of this kind: frontend, proxy or pair. May be repeated."`
	Label string   `placeholder:"EXPR" help:"Only cases whose labels match, such as 'es && must'. Labels: kind, area, profile, party, level; see cloudstate-tck list."`
	Focus []string `placeholder:"ID" help:"Only these cases: a case id (with * as wildcard), the first parts of one, or a requirement id. May be repeated."`

	ExpectedFailures      []string      `placeholder:"FILE" help:"YAML list of failures that are expected, each with case (or requirement) and reason. One that passes breaks the run. May be repeated."`
	WriteExpectedFailures string        `placeholder:"FILE" help:"Afterwards bring this expected-failures file up to date: what fails is added with a reason to fill in, what passes goes."`
	Out                   string        `placeholder:"DIR" help:"Write report.json, report.xml (JUnit), report.html, summary.md and badge.svg here."`
	MostRuns              int           `name:"repeat-until-verdict" default:"1" placeholder:"N" help:"Run a case that did not pass again, until one verdict came twice or it ran N times (${default}). One that passed and failed is flaky, which counts as broken."`
	Traces                string        `enum:"none,failed,all" default:"none" placeholder:"WHICH" help:"Save recorded conversations in --out, folder traces, a trace file a case: of cases that failed, or all. With all, the report draws those of cases that passed, too, and grows to some ten MiB."`
	Timeout               time.Duration `default:"10s" help:"Time limit of a case (${default}); a case that hangs fails."`
	StartTimeout          time.Duration `default:"60s" help:"Time limit for a target to become ready (${default})."`
	Seed                  int64         `default:"0" help:"Seed of the order of the cases and of what the environment does; 0 draws one. The report says which it was."`

	Watch           bool   `help:"Stay, and run again each time the target comes back after a restart (addr:) or its program was built anew (builtin:)."`
	Management      string `placeholder:"HOST:PORT" help:"Management endpoint of a proxy that is an address."`
	FunctionAddress string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where a proxy that is an address looks for its user function; the kit listens there (${default})."`
}

// Run judges.
func (c *runCommand) Run(ctx context.Context, stdio Stdio, args arguments) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	config.Command = args
	if c.Watch {
		return watch(ctx, stdio, config, args)
	}
	live := newProgress(stdio.Err, terminal(stdio.Err))
	config.Events = live
	var saved *traces
	if c.Traces != "none" {
		if saved, err = saveTraces(c.Out, c.Traces); err != nil {
			return err
		}
		config.Conversation = saved.save
	}
	result, err := engine.Run(ctx, config)
	live.done()
	if err != nil {
		return err
	}
	var paths []string
	unwritten := saved.err()
	if c.Out != "" {
		paths, err = report.Write(c.Out, result)
		unwritten = errors.Join(unwritten, err)
	}
	unwritten = errors.Join(unwritten, report.Console(stdio.Out, result, config.Catalogue, terminal(stdio.Out), paths))
	if c.WriteExpectedFailures != "" {
		unwritten = errors.Join(unwritten, writeBaseline(stdio, c.WriteExpectedFailures, result))
	}
	return concluded(stdio, result.Summary.Conclusion, unwritten)
}

// config turns the flags into what the engine wants.
func (c *runCommand) config() (engine.Config, error) {
	catalogue, err := spec.Load()
	if err != nil {
		return engine.Config{}, err
	}
	config := engine.Config{
		Store: c.Store, StoreAway: c.StoreAway, StoreBack: c.StoreBack, FewNamespaces: c.FewNamespaces, Management: c.Management,
		StoreAddress: c.StoreAddress, Disturbances: c.Disturbances, FunctionAddress: c.FunctionAddress, Kit: kit(),
		Catalogue: catalogue, Cases: Cases(),
		Selection: engine.Selection{Label: c.Label, Focus: c.Focus},
		MostRuns:  c.MostRuns, KeepTraces: c.Traces == "all", Timeout: c.Timeout, StartTimeout: c.StartTimeout, Seed: c.Seed,
	}
	if config.Seed == 0 {
		config.Seed = time.Now().UnixNano()%1_000_000 + 1
	}
	if config.Environment, err = environment.Lookup(c.Environment); err != nil {
		return config, fmt.Errorf("--environment: %w", err)
	}
	if c.Disturbances <= 0 {
		return config, fmt.Errorf("--disturbances must be above 0, such as %d", environment.DefaultBudget)
	}
	if c.Timeout <= 0 || c.StartTimeout <= 0 {
		return config, fmt.Errorf("--timeout and --start-timeout must be above 0, such as 10s")
	}
	if c.MostRuns < 1 {
		return config, fmt.Errorf("--repeat-until-verdict must be 1 or more")
	}
	for _, kind := range c.Suite {
		config.Selection.Suites = append(config.Selection.Suites, suite.Kind(kind))
	}
	expected := c.ExpectedFailures
	declared, err := c.targets(&config)
	if err != nil {
		return config, err
	}
	expected = append(expected, declared...)
	for _, path := range expected {
		text, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return config, fmt.Errorf("--expected-failures: %w", err)
		}
		announced, err := verdict.ParseAnnounced(path, text, catalogue, config.Cases)
		if err != nil {
			return config, err
		}
		config.Announced = append(config.Announced, announced...)
	}
	return config, nil
}

// kit names this program and its version.
func kit() string {
	version := "unreleased"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	return "cloudstate-tck " + version
}
