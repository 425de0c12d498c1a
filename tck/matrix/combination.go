package matrix

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/tck/config"
)

// Labels name a combination, or the part of one that a cell is about. What takes no part is empty.
type Labels struct {
	Proxy       string `json:"proxy,omitempty"`
	Frontend    string `json:"frontend,omitempty"`
	Store       string `json:"store,omitempty"`
	Environment string `json:"environment,omitempty"`
}

// values returns the labels in the order of [dimensions].
func (l Labels) values() [4]string { return [4]string{l.Proxy, l.Frontend, l.Store, l.Environment} }

var dimensions = [4]string{"proxy", "frontend", "store", "environment"}

// ByDimension returns what takes part, by what it is: proxy, frontend, store, environment.
func (l Labels) ByDimension() map[string]string {
	by := map[string]string{}
	for i, value := range l.values() {
		if value != "" {
			by[dimensions[i]] = value
		}
	}
	return by
}

// maxCombinations bounds a matrix.
const maxCombinations = 10_000

// Errors that say what is wrong with what was asked for.
var (
	// ErrNothing: no combination is left.
	ErrNothing = errors.New("no combination is left to judge")
	// ErrTooMany: there are more than a matrix may have.
	ErrTooMany = fmt.Errorf("more than %d combinations: exclude some, or list fewer", maxCombinations)
	// ErrRule: a rule of the command line cannot be read.
	ErrRule = errors.New("bad rule")
)

// Selection narrows the matrix of a file from the command line.
type Selection struct {
	// Only keeps the combinations that match one of its rules; all when there is none. Exclude leaves out those that match one of its rules.
	Only, Exclude []config.Rule
	// Pairwise reduces what is left to so many that every two labels that can meet do meet.
	Pairwise bool
}

// ParseRule reads a rule of the command line, such as "frontend=go|java,store=memory"; file says which names there are.
func ParseRule(text string, file *config.File) (config.Rule, error) {
	var rule config.Rule
	for part := range strings.SplitSeq(text, ",") {
		dimension, value, _ := strings.Cut(part, "=")
		var names *config.Names
		var known func(string) bool
		switch strings.TrimSpace(dimension) {
		case "proxy":
			names, known = &rule.Proxy, func(n string) bool { _, ok := file.Proxy(n); return ok }
		case "frontend":
			names, known = &rule.Frontend, func(n string) bool { _, ok := file.Frontend(n); return ok }
		case "store":
			names, known = &rule.Store, func(n string) bool { _, ok := file.Store(n); return ok }
		case "environment":
			names, known = &rule.Environment, func(n string) bool { _, ok := file.Environment(n); return ok }
		default:
			return rule, fmt.Errorf("%w %q: write proxy=, frontend=, store= or environment= and names, such as frontend=go|java,store=memory", ErrRule, text)
		}
		for name := range strings.SplitSeq(value, "|") {
			name = strings.TrimSpace(name)
			if !known(name) {
				return rule, fmt.Errorf("%w %q: %s declares no %s %q", ErrRule, text, file.Path, strings.TrimSpace(dimension), name)
			}
			*names = append(*names, name)
		}
	}
	return rule, nil
}

// matches tells whether l has all that rule names.
func matches(rule config.Rule, l Labels) bool {
	return rule.Proxy.Matches(l.Proxy) && rule.Frontend.Matches(l.Frontend) && rule.Store.Matches(l.Store) && rule.Environment.Matches(l.Environment)
}

func matchesAny(rules []config.Rule, l Labels) bool {
	return slices.ContainsFunc(rules, func(rule config.Rule) bool { return matches(rule, l) })
}

// Combinations returns what the matrix of a file asks for: all combinations of its lists, without those that match a rule of exclude, and with those that
// the rules of include name, each once; then what selection leaves of them.
func Combinations(m config.Matrix, selection Selection) ([]Labels, error) {
	all, err := product(m.Proxies, m.Frontends, m.Stores, m.Environments)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(l Labels) bool { return matchesAny(m.Exclude, l) })
	for _, rule := range m.Include {
		added, err := product(
			orAll(rule.Proxy, m.Proxies), orAll(rule.Frontend, m.Frontends), orAll(rule.Store, m.Stores), orAll(rule.Environment, m.Environments))
		if err != nil {
			return nil, err
		}
		all = append(all, added...)
	}
	all = unique(all)
	all = slices.DeleteFunc(all, func(l Labels) bool {
		return len(selection.Only) > 0 && !matchesAny(selection.Only, l) || matchesAny(selection.Exclude, l)
	})
	switch {
	case len(all) == 0:
		return nil, ErrNothing
	case len(all) > maxCombinations:
		return nil, ErrTooMany
	case selection.Pairwise || m.Pairwise:
		return Pairwise(all), nil
	}
	return all, nil
}

// orAll returns names, or all when a rule gives none.
func orAll(names config.Names, all []string) []string {
	if len(names) > 0 {
		return names
	}
	return all
}

// product returns all combinations; a list that is empty stands for one label that takes no part.
func product(proxies, frontends, stores, environments []string) ([]Labels, error) {
	none := []string{""}
	size := 1
	for _, list := range []*[]string{&proxies, &frontends, &stores, &environments} {
		if len(*list) == 0 {
			*list = none
		}
		if size *= len(*list); size > maxCombinations {
			return nil, ErrTooMany
		}
	}
	all := make([]Labels, 0, size)
	for _, p := range proxies {
		for _, f := range frontends {
			for _, s := range stores {
				for _, e := range environments {
					all = append(all, Labels{Proxy: p, Frontend: f, Store: s, Environment: e})
				}
			}
		}
	}
	return all, nil
}

// unique keeps the first of each.
func unique[T comparable](all []T) []T {
	seen := map[T]bool{}
	return slices.DeleteFunc(all, func(one T) bool {
		again := seen[one]
		seen[one] = true
		return again
	})
}

// pair is two labels of different dimensions.
type pair struct {
	first, second int
	a, b          string
}

func pairs(l Labels) []pair {
	values := l.values()
	var out []pair
	for i := range values {
		for j := i + 1; j < len(values); j++ {
			out = append(out, pair{i, j, values[i], values[j]})
		}
	}
	return out
}

// Pairwise returns combinations out of all, in their order, in which every two labels meet that meet in one of all. It takes, again and again, the one in
// which most labels meet for the first time; the result is small, not always the smallest.
func Pairwise(all []Labels) []Labels {
	open := map[pair]bool{}
	for _, l := range all {
		for _, p := range pairs(l) {
			open[p] = true
		}
	}
	var chosen []int
	for len(open) > 0 {
		best, most := 0, 0
		for i, l := range all {
			count := 0
			for _, p := range pairs(l) {
				if open[p] {
					count++
				}
			}
			if count > most {
				best, most = i, count
			}
		}
		for _, p := range pairs(all[best]) {
			delete(open, p)
		}
		chosen = append(chosen, best)
	}
	slices.SortFunc(chosen, cmp.Compare)
	out := make([]Labels, len(chosen))
	for i, index := range chosen {
		out[i] = all[index]
	}
	return out
}
