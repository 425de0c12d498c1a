package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Names are one name or a list of names.
type Names []string

// UnmarshalYAML reads either form.
func (n *Names) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*n = Names{node.Value}
		return nil
	}
	return node.Decode((*[]string)(n))
}

// Matches tells whether name is wanted: it is among n, or n is empty.
func (n Names) Matches(name string) bool { return len(n) == 0 || slices.Contains(n, name) }

// nearest says which of known name was likely meant, and otherwise what there is.
func nearest(name string, known []string) string {
	slices.Sort(known)
	best, distance := "", len(name)/2+1
	for _, k := range known {
		if d := edits(name, k); d < distance {
			best, distance = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %s?", best)
	case len(known) == 0:
		return "; there is none"
	}
	return "; there is " + strings.Join(known, ", ")
}

// edits counts the letters that must be inserted, removed or replaced to make b of a (Levenshtein's distance).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
