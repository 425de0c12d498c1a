package target

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNotBuilt is returned when a builtin's program is nowhere to be found.
var ErrNotBuilt = errors.New("the program is not built")

// argv returns what to execute for ref.
func argv(ref Ref) ([]string, error) {
	if ref.Scheme == Exec {
		return []string{"/bin/sh", "-c", ref.Value}, nil
	}
	program := programs[ref.Role][ref.Value]
	path, err := find(program)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return []string{path}, nil
}

// find looks for program beside this executable, in ./bin, and in PATH.
func find(program string) (string, error) {
	var looked []string
	if self, err := os.Executable(); err == nil {
		looked = append(looked, filepath.Dir(self))
	}
	if dir, err := filepath.Abs("bin"); err == nil {
		looked = append(looked, dir)
	}
	for _, dir := range looked {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	if path, err := exec.LookPath(program); err == nil {
		return filepath.Abs(path)
	}
	return "", fmt.Errorf("%w: no executable %s in %s, nor in PATH; run `make build` in the repository, or name the program yourself with exec:<path>",
		ErrNotBuilt, program, strings.Join(looked, ", "))
}

// Program returns the path of a builtin's program.
func Program(ref Ref) (string, error) {
	args, err := argv(ref)
	if err != nil {
		return "", err
	}
	return args[0], nil
}
