package selftest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// packages says what is built for each target.
var packages = map[Target]string{
	Proxy:    "./reference-proxy/cmd/cloudstate-proxy",
	Frontend: "./support-go/tckmodel/cmd/cloudstate-tck-model",
}

const kitPackage = "./tck/cmd/cloudstate-tck"

// edit is what a mutant makes of a file.
type edit struct{ before, after string }

// edited applies the mutant's edits to what lies below root; it returns the texts by path.
func (m *Mutant) edited(root string) (map[string]edit, error) {
	sources := map[string]edit{}
	for _, e := range m.Edits {
		file := filepath.Join(root, filepath.FromSlash(e.File))
		source, ok := sources[file]
		if !ok {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("%w: %s: %w", ErrMutant, m.ID, err)
			}
			source = edit{string(text), string(text)}
		}
		if n := strings.Count(source.after, e.Find); n != 1 {
			return nil, fmt.Errorf("%w: %s: %q occurs %d times in %s, not once; the source has changed: write the edit anew",
				ErrMutant, m.ID, e.Find, n, e.File)
		}
		source.after = strings.Replace(source.after, e.Find, e.Replace, 1)
		sources[file] = source
	}
	return sources, nil
}

// writeOverlay writes the sources below dir, and the overlay that `go build` reads them by; it returns the overlay's path.
func writeOverlay(sources map[string]string, dir string) (string, error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, text := range sources {
		edited := filepath.Join(dir, strconv.Itoa(len(overlay.Replace))+"-"+filepath.Base(file))
		if err := os.WriteFile(edited, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("writing the edited source: %w", err)
		}
		overlay.Replace[file] = edited
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", fmt.Errorf("writing the overlay: %w", err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("writing the overlay: %w", err)
	}
	return path, nil
}

// build compiles a command of the repository to output; overlay is empty for the sources as they are.
func build(ctx context.Context, root, pkg, output, overlay string) error {
	// Without symbols and version stamp: half of what the linker would write is never read.
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", output}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return nil
}
