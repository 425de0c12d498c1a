package config

import "strings"

// suggestion tells which setting was probably meant by an unknown name.
func suggestion(name string) string {
	best, distance := "", len(name)/2+1
	for _, s := range settings {
		d := edits(strings.ReplaceAll(strings.ToLower(name), "_", "-"), s.name)
		if d < distance {
			best, distance = s.name, d
		}
	}
	if best == "" {
		return "see --help for all settings"
	}
	return "did you mean " + best + "?"
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
