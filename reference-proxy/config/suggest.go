package config

import "strings"

// suggestion tells which setting was probably meant by an unknown name.
func suggestion(name string) string {
	if s, found := nearest(name); found {
		return "did you mean " + s.name + "?"
	}
	return "see --help for all settings"
}

// nearest is the setting whose name is most like the given one, in capitals or small letters, with dashes or underscores.
func nearest(name string) (best setting, found bool) {
	distance := len(name)/2 + 1
	for _, s := range settings {
		d := edits(strings.ReplaceAll(strings.ToLower(name), "_", "-"), s.name)
		if d < distance {
			best, distance, found = s, d, true
		}
	}
	return best, found
}

// edits is the Levenshtein distance: how many letters must be added, removed or replaced to turn a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
