package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// Write writes report.json, report.xml (JUnit), report.html, summary.md and badge.svg into dir, which is made if needed, and returns their paths. A
// file is replaced as a whole, so that a reader never sees half of one.
func Write(dir string, r *verdict.Report) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // reports are for others to read
		return nil, fmt.Errorf("--out: %w", err)
	}
	var paths []string
	for _, form := range []struct {
		name  string
		write func(io.Writer, *verdict.Report) error
	}{
		{"report.json", JSON}, {"report.xml", JUnit}, {"report.html", HTML}, {"summary.md", Summary}, {"badge.svg", Badge},
	} {
		var b bytes.Buffer
		if err := form.write(&b, r); err != nil {
			return paths, fmt.Errorf("%s: %w", form.name, err)
		}
		path := filepath.Join(dir, form.name)
		if err := replace(path, b.Bytes()); err != nil {
			return paths, fmt.Errorf("--out: %w", err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

func replace(path string, text []byte) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, text, 0o644); err != nil { //nolint:gosec // reports are for others to read
		return err
	}
	return os.Rename(temporary, path)
}
