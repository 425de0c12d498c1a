package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/fuzz"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// fuzzCommand is `cloudstate-tck fuzz`.
type fuzzCommand struct {
	Proxy    string `placeholder:"TARGET" help:"The proxy to fuzz, as for run: the kit is its client and its user function."`
	Frontend string `placeholder:"TARGET" help:"The frontend to fuzz, as for run, serving the TCK's model: the kit is its proxy. With both, each is fuzzed alone, one after the other."`
	Store    string `default:"memory" placeholder:"NAME" help:"The store that a proxy is started with (${default})."`

	Conversations uint64        `default:"20000" help:"How many conversations are held with each target (${default})."`
	For           time.Duration `help:"Stop after this time, though fewer were held."`
	Seed          uint64        `default:"0" help:"Seed of the conversations; 0 draws one. The same seed has the same conversations."`
	First         uint64        `default:"0" help:"Number of the first conversation of the seed."`
	Workers       int           `default:"64" help:"How many conversations are held at the same time (${default})."`

	Replay []string `placeholder:"FILE" help:"Hold saved cases instead: files, or directories with .json files. May be repeated."`
	Out    string   `default:"out/fuzz" placeholder:"DIR" help:"Where a case is written for each failure (${default})."`

	Patience        time.Duration `default:"20s" help:"How long the target may take for anything (${default})."`
	StartTimeout    time.Duration `default:"60s" help:"Time limit for a target to become ready (${default})."`
	Shrink          time.Duration `default:"60s" help:"Time limit for shortening one failure (${default})."`
	MaxFailures     int           `default:"5" help:"Stop after this many failures (${default})."`
	FunctionAddress string        `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where a proxy that is an address looks for its user function; the kit listens there (${default})."`
}

// Run fuzzes.
func (c *fuzzCommand) Run(ctx context.Context, stdio Stdio) error {
	configs, err := c.configs()
	if err != nil {
		return err
	}
	cases, err := readCases(c.Replay)
	if err != nil {
		return err
	}
	failed := false
	for _, config := range configs {
		var bad bool
		if len(c.Replay) > 0 {
			bad, err = replay(ctx, stdio.Out, config, cases)
		} else {
			bad, err = c.fuzz(ctx, stdio.Out, config)
		}
		if err != nil {
			return ended(stdio, ExitIncomplete, err)
		}
		failed = failed || bad
	}
	if failed {
		return exitStatus(ExitFailed)
	}
	return nil
}

// configs are those of the targets.
func (c *fuzzCommand) configs() ([]fuzz.Config, error) {
	if c.Proxy == "" && c.Frontend == "" {
		return nil, errors.New("name a proxy, a frontend, or both, such as --frontend builtin:go")
	}
	if c.Workers < 1 || c.MaxFailures < 1 || c.Patience <= 0 || c.StartTimeout <= 0 || c.For < 0 || c.Shrink < 0 {
		return nil, errors.New("--workers and --max-failures must be at least 1, --patience and --start-timeout above 0, --for and --shrink not below 0")
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())%1_000_000 + 1
	}
	var configs []fuzz.Config
	for _, t := range []struct {
		role target.Role
		text string
	}{{target.Frontend, c.Frontend}, {target.Proxy, c.Proxy}} {
		if t.text == "" {
			continue
		}
		ref, err := target.Parse(t.role, t.text)
		if err != nil {
			return nil, err
		}
		configs = append(configs, fuzz.Config{
			Target: ref, Store: c.Store, FunctionAddress: c.FunctionAddress, Seed: c.Seed, First: c.First, Conversations: c.Conversations, For: c.For,
			Workers: c.Workers, Patience: c.Patience, StartTimeout: c.StartTimeout, Shrink: c.Shrink, MaxFailures: c.MaxFailures,
		})
	}
	return configs, nil
}

// fuzz fuzzes one target and tells whether anything was wrong.
func (c *fuzzCommand) fuzz(ctx context.Context, out io.Writer, config fuzz.Config) (bool, error) {
	fmt.Fprintf(out, "== fuzzing the %s %s, seed %d\n", config.Target.Role, config.Target, config.Seed)
	report, err := fuzz.Run(ctx, config)
	for i, failure := range report.Failures {
		text, err := failure.Case.Text()
		if err != nil {
			return true, err
		}
		path := filepath.Join(c.Out, fmt.Sprintf("%s-%d-%d.json", config.Target.Role, config.Seed, i+1))
		if err := os.MkdirAll(c.Out, 0o750); err != nil {
			return true, err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return true, err
		}
		how := "cloudstate-tck fuzz --" + string(config.Target.Role) + " '" + config.Target.String() + "' --replay " + path
		if !failure.Stable {
			how = "it did not happen again; what was going on is in " + path
		}
		fmt.Fprintf(out, "FAILED: %v\n  in %s: %s\n", failure.Err, failure.Case, how)
	}
	seconds := report.Took.Seconds()
	fmt.Fprintf(out, "== fuzz %s: %d conversations, %d of them mutated, in %.0f s, %.0f a second, %d failures; memory %d MiB after the warm-up, at most %d MiB, %d MiB given to keep\n",
		config.Target.Role, report.Conversations, report.Mutated, seconds, float64(report.Conversations)/max(seconds, 0.001), len(report.Failures),
		report.Baseline>>20, report.Peak>>20, report.Stored>>20)
	return len(report.Failures) > 0, err
}

// savedCase is a case and the file that it was read from.
type savedCase struct {
	path string
	fuzz.Case
}

// maxCase bounds the file of a case, in bytes.
const maxCase = 16 << 20

// readCases reads the files, and the .json files of the directories.
func readCases(paths []string) ([]savedCase, error) {
	var cases []savedCase
	for _, path := range paths {
		found := 0
		err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || file != path && !strings.HasSuffix(file, ".json") {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if info.Size() > maxCase {
				return fmt.Errorf("%s has %d bytes; a case has at most %d", file, info.Size(), maxCase)
			}
			text, err := os.ReadFile(filepath.Clean(file))
			if err != nil {
				return err
			}
			c, err := fuzz.Parse(text)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			found++
			cases = append(cases, savedCase{file, c})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("--replay: %w", err)
		}
		if found == 0 {
			return nil, fmt.Errorf("--replay: there is no .json file in %s", path)
		}
	}
	return cases, nil
}

// replay holds the cases that are for this kind of target, and tells whether anything was wrong.
func replay(ctx context.Context, out io.Writer, config fuzz.Config, cases []savedCase) (bool, error) {
	held, failed := 0, false
	for _, c := range cases {
		if c.Conversations[0].Side != config.Target.Role {
			continue
		}
		held++
		var wrong *fuzz.Violation
		switch err := fuzz.Hold(ctx, config, c.Case); {
		case errors.As(err, &wrong):
			failed = true
			fmt.Fprintf(out, "FAILED: %s: %v\n", c.path, err)
		case err != nil:
			return failed, fmt.Errorf("%s: %w", c.path, err)
		}
	}
	fmt.Fprintf(out, "== fuzz %s: %d saved cases held\n", config.Target.Role, held)
	return failed, nil
}
