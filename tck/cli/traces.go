package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// traces saves the conversations of cases as trace files. A nil *traces has saved none.
type traces struct {
	dir    string
	all    bool
	failed []error
}

// saveTraces makes the folder for them in out.
func saveTraces(out, which string) (*traces, error) {
	if out == "" {
		return nil, errors.New("--traces goes with --out, which says where")
	}
	dir := filepath.Join(out, "traces")
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // reports are for others to read
		return nil, fmt.Errorf("--traces: %w", err)
	}
	return &traces{dir: dir, all: which == "all"}, nil
}

// save writes the case's conversation, in place of that of an earlier run.
func (t *traces) save(c verdict.Case, began time.Time, messages []trace.Message) {
	if !t.all && c.Verdict != verdict.Failed && c.Verdict != verdict.Error || len(messages) == 0 {
		return
	}
	text, err := tracefile.Format(tracefile.Header{MadeBy: kit(), Began: began, Note: c.ID + ", " + string(c.Verdict) + ": " + c.Title}, messages)
	if err == nil {
		path := filepath.Join(t.dir, strings.ReplaceAll(c.ID, "/", ".")+".trace")
		err = os.WriteFile(path, []byte(text), 0o644) //nolint:gosec // the kit's own messages, as they are in the report
	}
	if err != nil {
		t.failed = append(t.failed, fmt.Errorf("--traces: case %s: %w", c.ID, err))
	}
}

// err tells which could not be saved.
func (t *traces) err() error {
	if t == nil {
		return nil
	}
	return errors.Join(t.failed...)
}
