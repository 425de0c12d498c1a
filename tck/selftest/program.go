package selftest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// program is a mutant ready to be judged: a file to run, and the number by which it becomes that mutant. 0 is none.
type program struct {
	path   string
	number int
}

// programs are all mutants of a target, built.
type programs struct {
	// control is the program that holds the combined ones, with none of them chosen.
	control program
	// combined are those that it holds, by id; the others are built alone when their turn comes.
	combined map[string]program
	// broken says why a mutant cannot be built, by id.
	broken map[string]error
	took   time.Duration
}

// combine builds the program that holds as many of the mutants as one program can.
func (r *runner) combine(ctx context.Context, target Target, mutants []Mutant) (*programs, error) {
	began := time.Now()
	path := filepath.Join(r.work, "combined-"+string(target))
	p := &programs{control: program{path: path}, combined: map[string]program{}, broken: map[string]error{}}
	for {
		sources := newCombination(r.root)
		clear(p.combined)
		for i, m := range mutants {
			if m.Target != target || p.broken[m.ID] != nil {
				continue
			}
			switch ok, err := sources.add(m, i+1); {
			case err != nil:
				p.broken[m.ID] = err
			case ok:
				p.combined[m.ID] = program{path, i + 1}
			}
		}
		dir, err := os.MkdirTemp(r.work, "sources-")
		if err != nil {
			return nil, fmt.Errorf("making a folder for the sources: %w", err)
		}
		overlay, err := writeOverlay(sources.sources(), dir)
		if err != nil {
			return nil, err
		}
		err = build(ctx, r.root, packages[target], path, overlay)
		if err == nil {
			p.took = time.Since(began)
			return p, nil
		}
		// Whoever does not compile is left out, and the others are tried again.
		culprits := culprit.FindAllStringSubmatch(err.Error(), -1)
		if len(culprits) == 0 || ctx.Err() != nil {
			return nil, err
		}
		for _, c := range culprits {
			p.broken[c[1]] = err
		}
	}
}

// culprit finds the mutants in what the compiler says, see mutantFile.
var culprit = regexp.MustCompile(`fixtures/mutants/[a-z]+/([^/]+)/mutant\.yaml:`)

// alone builds a mutant that cannot share a program.
func (r *runner) alone(ctx context.Context, m Mutant, dir string) (program, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return program{}, fmt.Errorf("making a folder for the mutant: %w", errors.Join(ErrMutant, err))
	}
	path, err := m.build(ctx, r.root, dir)
	return program{path: path}, err
}

// build builds the mutant into dir and returns the program's path.
func (m *Mutant) build(ctx context.Context, root, dir string) (string, error) {
	edited, err := m.edited(root)
	if err != nil {
		return "", err
	}
	sources := map[string]string{}
	for path, e := range edited {
		sources[path] = e.after
	}
	overlay, err := writeOverlay(sources, dir)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "program")
	return path, build(ctx, root, packages[m.Target], path, overlay)
}

// target is the program as the kit's command line names it.
func (p program) target() string {
	return fmt.Sprintf("exec:%s=%d exec '%s'", variable, p.number, p.path)
}
