package matrix

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/stateful-serverless/cloudstate/tck/config"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// Digest implements [Judge]: over the command, the declarations, the kit itself, builtin programs, the files that the declarations name, and the ids of images.
// What an address or a Dockerfile stands for is not looked at, unless it is among the inputs.
func (c Child) Digest(cell Cell) (string, error) {
	proxy, _ := c.File.Proxy(cell.Labels.Proxy)
	frontend, _ := c.File.Frontend(cell.Labels.Frontend)
	store, _ := c.File.Store(cell.Labels.Store)
	environment, _ := c.File.Environment(cell.Labels.Environment)
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode([]any{c.command(cell, ""), proxy, frontend, store, environment}); err != nil {
		return "", err
	}
	files := []string{c.Program}
	for _, ref := range []target.Ref{proxy.Ref, frontend.Ref, store.Ref} {
		switch {
		case ref.Scheme == target.Image && c.Image != nil:
			id, err := c.Image(ref.Value)
			if err != nil && !ref.Settings().Pull { // one that may be fetched need not be there yet
				return "", err
			}
			if _, err := fmt.Fprintln(sum, id); err != nil {
				return "", err
			}
		case ref.Scheme == target.Builtin && ref.Role != target.Store:
			program, err := target.Program(ref)
			if err != nil {
				return "", err
			}
			files = append(files, program)
		}
	}
	for _, shared := range []config.Shared{proxy.Shared, frontend.Shared, store.Shared} {
		for _, path := range shared.ExpectedFailures {
			files = append(files, c.File.Resolve(path))
		}
		for _, pattern := range shared.Inputs {
			found, err := filepath.Glob(c.File.Resolve(pattern))
			if err != nil {
				return "", fmt.Errorf("inputs: %q: %w", pattern, err)
			}
			files = append(files, found...)
		}
	}
	for _, path := range files {
		if err := add(sum, path); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// add adds the name and the content of a file, or of all files below a directory.
func add(sum io.Writer, path string) error {
	return filepath.WalkDir(path, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path) //nolint:gosec // what whoever runs the kit named
		if err != nil {
			return err
		}
		defer file.Close()
		if _, err := fmt.Fprintf(sum, "\x00%s\x00", path); err != nil {
			return err
		}
		_, err = io.Copy(sum, file)
		return err
	})
}
