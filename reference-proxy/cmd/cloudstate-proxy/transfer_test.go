package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/archive"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

// partly is a store of which something cannot be listed.
type partly struct{ journal.Store }

func (partly) List(context.Context, journal.Cursor, int) ([]journal.Listed, journal.Cursor, error) {
	return nil, "", &journal.CorruptError{What: "a row"}
}

// TestDryRunOfWhatIsNotAll: a dry run ends as the import would, also of an export that is whole but holds not all.
func TestDryRunOfWhatIsNotAll(t *testing.T) {
	store := memory.New()
	defer func() { _ = store.Close() }()
	for name, from := range map[string]journal.Store{"all": store, "not all": partly{store}} {
		var text, stdout bytes.Buffer
		if _, err := writeExport(t.Context(), from, archive.Selection{}, &text, io.Discard); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "export.jsonl")
		if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		err := importStore(t.Context(), &config.Invocation{Transfer: config.Transfer{File: file, DryRun: true}}, nil, &stdout, io.Discard)
		if name == "all" {
			if err != nil || !strings.HasPrefix(stdout.String(), "whole: ") {
				t.Errorf("an export of all: %q, %v", &stdout, err)
			}
			continue
		}
		if !errors.Is(err, errLeftOut) || !strings.Contains(err.Error(), "1 damaged entit") || !strings.HasPrefix(stdout.String(), "whole: ") {
			t.Errorf("an export without what is damaged: %q, %v", &stdout, err)
		}
	}
}
