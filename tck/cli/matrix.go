package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/config"
	"github.com/stateful-serverless/cloudstate/tck/matrix"
	"github.com/stateful-serverless/cloudstate/tck/target/container"
)

// matrixCommand is `cloudstate-tck matrix`.
type matrixCommand struct {
	Config   string   `default:"tck.yaml" placeholder:"FILE" help:"The file that declares targets and matrix (${default})."`
	Out      string   `default:"out/matrix" placeholder:"DIR" help:"Write matrix.json and a directory for each cell here (${default})."`
	Only     []string `sep:"none" placeholder:"RULE" help:"Only combinations that match, such as 'frontend=go|java,store=memory'. May be repeated: one must match."`
	Exclude  []string `sep:"none" placeholder:"RULE" help:"No combinations that match. May be repeated."`
	Pairwise bool     `help:"Only so many combinations that every two labels that can meet do meet."`
	Suite    []string `enum:"frontend,proxy,pair" placeholder:"KIND" help:"Only cells of these suites: frontend, proxy or pair. May be repeated."`
	Resume   bool     `help:"Keep the cells in --out that are done and whose inputs have not changed: declarations, kit, builtin programs, and the files in inputs and expected_failures."`
	Jobs     int      `default:"0" placeholder:"N" help:"How much weight runs at a time; a cell weighs as much as its heaviest target. 0: by the processors and the memory of this machine."`
	Plan     bool     `help:"Show the cells and run none."`
	Focus    []string `placeholder:"ID" help:"Only these cases, in each cell; see cloudstate-tck run. Such a matrix makes no claim of conformance."`
	Seed     int64    `default:"0" help:"Seed of the order of the cases; 0 draws one."`
}

// Run judges the matrix.
func (c *matrixCommand) Run(ctx context.Context, stdio Stdio) error {
	file, err := config.Read(c.Config)
	if err != nil {
		return err
	}
	selection := matrix.Selection{Pairwise: c.Pairwise}
	if selection.Only, err = rules(c.Only, file); err != nil {
		return fmt.Errorf("--only: %w", err)
	}
	if selection.Exclude, err = rules(c.Exclude, file); err != nil {
		return fmt.Errorf("--exclude: %w", err)
	}
	combinations, err := matrix.Combinations(file.Matrix, selection)
	if err != nil {
		return err
	}
	cells, planned := matrix.Plan(file, combinations)
	cells, planned = matrix.OnlySuites(cells, planned, c.Suite)
	if len(cells) == 0 {
		return matrix.ErrNothing
	}
	if c.Plan {
		for _, cell := range cells {
			fmt.Fprintln(stdio.Out, cell.Name)
		}
		return nil
	}
	child := matrix.Child{File: file, Seed: c.Seed}
	if file.Contained() {
		child.Image = func(name string) (string, error) { return container.Image(ctx, name) }
		child.Clean = func(cell string) {
			removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			if _, err := container.Remove(removing, cell); err != nil {
				fmt.Fprintf(stdio.Err, "containers of a cell may be left behind: %v\n", err)
			}
		}
	}
	if child.Program, err = os.Executable(); err != nil {
		return err
	}
	if child.Seed == 0 {
		child.Seed = time.Now().UnixNano()%1_000_000 + 1
	}
	for _, id := range c.Focus {
		child.Args = append(child.Args, "--focus", id)
	}
	run := matrix.Run{
		Out: c.Out, Jobs: c.Jobs, Resume: c.Resume, Kit: kit(), Seed: child.Seed, Pairwise: c.Pairwise || file.Matrix.Pairwise, Judge: child,
		Events: matrix.NewProgress(stdio.Err, terminal(stdio.Err), len(cells)),
	}
	if run.Jobs <= 0 {
		run.Jobs = matrix.Jobs(runtime.NumCPU(), matrix.FreeMemory())
	}
	fmt.Fprintf(stdio.Err, "%d combinations, %d cells, %d jobs, seed %d\n", len(planned), len(cells), run.Jobs, child.Seed)
	result, err := run.All(ctx, cells, planned)
	if result == nil {
		return err
	}
	return concluded(stdio, result.Verdict, errors.Join(err, matrix.Table(stdio.Out, result, c.Out)))
}

func rules(texts []string, file *config.File) ([]config.Rule, error) {
	var all []config.Rule
	for _, text := range texts {
		rule, err := matrix.ParseRule(text, file)
		if err != nil {
			return nil, err
		}
		all = append(all, rule)
	}
	return all, nil
}
