package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/spec"
)

const idsHeader = `# The ids of all requirements ever published, in the order of SPEC.md. An id never vanishes: what no longer holds stays in SPEC.md as
# WITHDRAWN. Written by: go run ./spec/cmd/speccheck -update-ids
`

// checkIDs holds the catalogue against the ids published before. With update it adds what is new to the file, unless an id vanished.
func checkIDs(catalogue *spec.Catalogue, path string, update bool) ([]finding, error) {
	published, err := readIDs(path)
	if err != nil && (!update || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	var findings []finding
	for _, id := range published {
		if _, ok := catalogue.Lookup(id); !ok {
			findings = append(findings, finding{
				where:  path + ": " + id,
				what:   "was published and is no longer in SPEC.md",
				remedy: "put it back; if it no longer holds: - **" + id + "** WITHDRAWN: reason",
			})
		}
	}
	if update {
		if len(findings) > 0 {
			return findings, nil
		}
		return nil, writeIDs(path, catalogue)
	}
	for _, r := range catalogue.Requirements {
		if !slices.Contains(published, r.ID) {
			findings = append(findings, finding{
				where:  fmt.Sprintf("SPEC.md:%d: %s", r.Line, r.ID),
				what:   "is not among the published ids",
				remedy: "run: go run ./spec/cmd/speccheck -update-ids",
			})
		}
	}
	return findings, nil
}

// readIDs reads a file of one id a line; empty lines and those that begin with # mean nothing.
func readIDs(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the published ids cannot be read: %w; -ids names the file, -update-ids writes it", err)
	}
	var ids []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			ids = append(ids, line)
		}
	}
	return ids, nil
}

func writeIDs(path string, catalogue *spec.Catalogue) error {
	var b strings.Builder
	b.WriteString(idsHeader)
	for _, r := range catalogue.Requirements {
		b.WriteString(r.ID + "\n")
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("the published ids cannot be written: %w", err)
	}
	return nil
}
