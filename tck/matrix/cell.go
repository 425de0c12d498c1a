package matrix

import (
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/tck/config"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// Cell is one run of the kit: some suites on what they depend on.
type Cell struct {
	// Name is unique in the matrix, and the name of the cell's directory.
	Name   string
	Labels Labels
	Suites []suite.Kind
	// Weight is how many jobs it counts for.
	Weight int
}

// Combination is a combination with the cells that judge it.
type Combination struct {
	Labels Labels   `json:"labels"`
	Cells  []string `json:"cells"`
}

// Plan returns the cells that judge the combinations, each once, and which of them each combination rests on. The frontend suite depends on the frontend alone,
// the proxy suite on proxy and store, since an environment is for a pair.
func Plan(file *config.File, combinations []Labels) ([]Cell, []Combination) {
	var cells []Cell
	var planned []Combination
	for _, l := range combinations {
		var names []string
		use := func(kind suite.Kind, labels Labels) {
			cell := Cell{Name: name(kind, labels), Labels: labels, Suites: []suite.Kind{kind}, Weight: weight(file, labels)}
			names = append(names, cell.Name)
			if !slices.ContainsFunc(cells, func(c Cell) bool { return c.Name == cell.Name }) {
				cells = append(cells, cell)
			}
		}
		if l.Frontend != "" {
			use(suite.Frontend, Labels{Frontend: l.Frontend})
		}
		if l.Proxy != "" {
			use(suite.Proxy, Labels{Proxy: l.Proxy, Store: l.Store})
		}
		if l.Proxy != "" && l.Frontend != "" {
			use(suite.Pair, l)
		}
		planned = append(planned, Combination{Labels: l, Cells: names})
	}
	return cells, planned
}

// OnlySuites leaves out the cells of other suites than kinds, if there are kinds, and the combinations that rest on none of the others.
func OnlySuites(cells []Cell, combinations []Combination, kinds []string) ([]Cell, []Combination) {
	if len(kinds) == 0 {
		return cells, combinations
	}
	left := map[string]bool{}
	cells = slices.DeleteFunc(slices.Clone(cells), func(c Cell) bool {
		left[c.Name] = slices.ContainsFunc(c.Suites, func(kind suite.Kind) bool { return slices.Contains(kinds, string(kind)) })
		return !left[c.Name]
	})
	var out []Combination
	for _, c := range combinations {
		c.Cells = slices.DeleteFunc(slices.Clone(c.Cells), func(name string) bool { return !left[name] })
		if len(c.Cells) > 0 {
			out = append(out, c)
		}
	}
	return cells, out
}

// name joins what a cell is about; names of a tck.yaml have no comma.
func name(kind suite.Kind, l Labels) string {
	parts := []string{string(kind)}
	for _, value := range l.values() {
		if value != "" {
			parts = append(parts, value)
		}
	}
	return strings.Join(parts, ",")
}

// weight is that of the heaviest target.
func weight(file *config.File, l Labels) int {
	proxy, _ := file.Proxy(l.Proxy)
	frontend, _ := file.Frontend(l.Frontend)
	store, _ := file.Store(l.Store)
	return max(1, proxy.Weight, frontend.Weight, store.Weight)
}
