package matrix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// SchemaVersion is the version of matrix.json. The first number changes when a reader of the old form would misunderstand the new one, the
// second when something is added.
const SchemaVersion = "1.0"

// State is what became of a cell.
type State string

// The states.
const (
	// Done: it was judged; the verdict says how.
	Done State = "done"
	// Error: it gave no verdict, for the reason that is told: a target did not come up, or the kit did not end in time.
	Error State = "error"
	// NotRun: it was not begun.
	NotRun State = "not run"
)

// Outcome is what came of judging a cell.
type Outcome struct {
	State State `json:"state"`
	// Reason says why there is no verdict, or what keeps it from being passed.
	Reason string `json:"reason,omitempty"`
	// Verdict is the conclusion of the report; empty when there is none.
	Verdict verdict.Conclusion `json:"verdict,omitempty"`
	// Cases counts the cases of the report.
	Cases *verdict.CaseCounts `json:"cases,omitempty"`
	// Report is the path of the cell's report.json, relative to matrix.json; empty when there is none.
	Report string `json:"report,omitempty"`
	// Console is the path of what the kit wrote meanwhile.
	Console string `json:"console,omitempty"`
	// Command judges this cell alone, again.
	Command []string `json:"command,omitempty"`
	// Digest is that of all that the outcome depends on, as far as the kit can know.
	Digest     string `json:"digest,omitempty"`
	DurationMS int64  `json:"duration_ms"`
}

// CellResult is a cell with what became of it.
type CellResult struct {
	Name   string       `json:"name"`
	Labels Labels       `json:"labels"`
	Suites []suite.Kind `json:"suites"`
	Outcome
	// Kept is set when the outcome is that of an earlier matrix, with the same inputs.
	Kept bool `json:"kept,omitempty"`
}

// Result is what became of a matrix: the content of matrix.json.
type Result struct {
	Schema     string    `json:"schema_version"`
	Kit        string    `json:"kit"`
	Started    time.Time `json:"started"`
	DurationMS int64     `json:"duration_ms"`
	Seed       int64     `json:"seed"`
	// Verdict is the worst of the cells': failed, incomplete (which a cell in error or not run makes it), passed.
	Verdict  verdict.Conclusion `json:"verdict"`
	Pairwise bool               `json:"pairwise"`
	// Note says how cells and combinations hang together.
	Note         string        `json:"note"`
	Combinations []Combination `json:"combinations"`
	Cells        []CellResult  `json:"cells"`
}

const note = "A suite is judged once for each combination of what it depends on, and not repeated for what it does not: the frontend suite depends on the frontend " +
	"alone, the proxy suite on proxy and store, the pair suite on all. Each combination names the cells that judge it."

// FileName is the name of the matrix's file in its directory.
const FileName = "matrix.json"

// conclude fills in the verdict.
func (r *Result) conclude() {
	r.Verdict = verdict.Conforms
	for _, cell := range r.Cells {
		switch {
		case cell.Verdict == verdict.Breaks:
			r.Verdict = verdict.Breaks
			return
		case cell.State != Done || cell.Verdict != verdict.Conforms:
			r.Verdict = verdict.Incomplete
		}
	}
}

// maxFile bounds a matrix.json that is read, in bytes: some hundred for each of the combinations and cells that there may be.
const maxFile = 64 << 20

// Read reads the matrix.json at path, which anybody may have written.
func Read(path string) (*Result, error) {
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if major, _, _ := strings.Cut(SchemaVersion, "."); !strings.HasPrefix(r.Schema, major+".") {
		return nil, fmt.Errorf("%s: its schema_version is %q, and this kit reads %s.x: take the kit that wrote it, or judge again", path, r.Schema, major)
	}
	if len(r.Cells) == 0 {
		return nil, fmt.Errorf("%s: it lists no cells", path)
	}
	return &r, nil
}

// write replaces matrix.json in dir as a whole.
func (r *Result) write(dir string) error { return writeJSON(filepath.Join(dir, FileName), r) }

func writeJSON(path string, value any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, text.Bytes(), 0o644); err != nil { //nolint:gosec // reports are for others to read
		return err
	}
	return os.Rename(temporary, path)
}
