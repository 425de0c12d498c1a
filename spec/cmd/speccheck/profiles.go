package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/stateful-serverless/cloudstate/spec"
)

// releasedName is the file that says which tables are frozen: a line "VERSION sha256:SUM" each.
const releasedName = "released.txt"

const releasedHeader = `# The released versions of SPEC.md, each with the digest of its table of profiles. A claim of conformance to one of them means
# that table for ever, so neither changes. Written by: go run ./spec/cmd/speccheck -release
`

// profileTable says what each profile demands in the catalogue's version: the requirements in force with whom they bind and how much.
func profileTable(catalogue *spec.Catalogue) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What each profile of SPEC.md %s demands, and of whom. Written by: go run ./spec/cmd/speccheck -update-ids\n", catalogue.Version)
	for _, profile := range catalogue.Profiles {
		for _, r := range catalogue.Requirements {
			if r.InForce() && r.Profile == profile.Name {
				fmt.Fprintf(&b, "%s %s %s %s\n", profile.Name, r.ID, r.Party, r.Level)
			}
		}
	}
	return b.String()
}

// checkProfiles holds the catalogue against the table of its version, and the tables of released versions against what they were. With update it
// writes the catalogue's own table, with release it freezes it; a released one is never written again.
func checkProfiles(catalogue *spec.Catalogue, o options) ([]finding, error) {
	released, err := readReleased(filepath.Join(o.profiles, releasedName))
	if err != nil {
		return nil, err
	}
	var findings []finding
	for _, r := range released {
		path := filepath.Join(o.profiles, r.version+".txt")
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the table of a released version cannot be read: %w", err)
		}
		if digest(text) != r.digest {
			findings = append(findings, finding{path, "is not what was released as " + r.version, "put it back; what is new belongs to the next version of SPEC.md"})
		}
	}
	own := filepath.Join(o.profiles, catalogue.Version+".txt")
	table := profileTable(catalogue)
	frozen := false
	for _, r := range released {
		frozen = frozen || r.version == catalogue.Version
	}
	if o.update && !frozen {
		if err := os.MkdirAll(o.profiles, 0o755); err != nil {
			return nil, fmt.Errorf("the table of profiles cannot be written: %w", err)
		}
		if err := os.WriteFile(own, []byte(table), 0o644); err != nil {
			return nil, fmt.Errorf("the table of profiles cannot be written: %w", err)
		}
	}
	text, err := os.ReadFile(own)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the table of profiles cannot be read: %w; -profiles names the folder", err)
	}
	switch {
	case string(text) == table && o.release && !frozen:
		return findings, writeReleased(filepath.Join(o.profiles, releasedName), append(released, release{catalogue.Version, digest(text)}))
	case string(text) == table:
	case frozen:
		findings = append(findings, finding{"SPEC.md " + catalogue.Version, "demands something else of a profile than it did when it was released: " + firstDifference(string(text), table), "give SPEC.md the next version, and mark what is new {since that version}"})
	default:
		findings = append(findings, finding{own, "is not what SPEC.md says: " + firstDifference(string(text), table), "run: go run ./spec/cmd/speccheck -update-ids"})
	}
	return findings, nil
}

type release struct{ version, digest string }

// readReleased reads the released versions; without a file there are none.
func readReleased(path string) ([]release, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the released versions cannot be read: %w", err)
	}
	var out []release
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		version, sum, ok := strings.Cut(line, " ")
		if !ok || version != filepath.Base(version) {
			return nil, fmt.Errorf("%s: %q is no line of a version and a digest", path, line)
		}
		out = append(out, release{version, sum})
	}
	return out, nil
}

func writeReleased(path string, all []release) error {
	var b strings.Builder
	b.WriteString(releasedHeader)
	for _, r := range all {
		fmt.Fprintf(&b, "%s %s\n", r.version, r.digest)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("the released versions cannot be written: %w", err)
	}
	return nil
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// firstDifference names the first line that only one of the two has.
func firstDifference(before, after string) string {
	had, has := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(before) {
		had[line] = true
	}
	for line := range strings.Lines(after) {
		has[line] = true
		if !had[line] {
			return "new: " + strings.TrimSpace(line)
		}
	}
	for line := range strings.Lines(before) {
		if !has[line] {
			return "gone: " + strings.TrimSpace(line)
		}
	}
	return "another order"
}
