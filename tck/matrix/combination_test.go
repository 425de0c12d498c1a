package matrix

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/tck/config"
)

// lists draws a matrix over few names, so that rules hit.
func lists(t *rapid.T) config.Matrix {
	draw := func(label string, from ...string) []string {
		return from[:rapid.IntRange(1, len(from)).Draw(t, label)]
	}
	m := config.Matrix{
		Proxies: draw("proxies", "p1", "p2"), Frontends: draw("frontends", "f1", "f2", "f3", "f4"),
		Stores: draw("stores", "s1", "s2", "s3", "s4"), Environments: draw("environments", "e1", "e2", "e3"),
	}
	m.Exclude = rapid.SliceOfN(rapid.Custom(rule), 0, 3).Draw(t, "exclude")
	m.Include = rapid.SliceOfN(rapid.Custom(rule), 0, 2).Draw(t, "include")
	return m
}

func rule(t *rapid.T) config.Rule {
	names := func(label string, from ...string) config.Names {
		return slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(rapid.SampledFrom(from), 0, 2).Draw(t, label))))
	}
	return config.Rule{Proxy: names("p", "p1", "p2"), Frontend: names("f", "f1", "f2", "f3"), Store: names("s", "s1", "s2"), Environment: names("e", "e1", "e2")}
}

// A combination is there when it is in the lists and no rule excludes it, or when a rule includes it; and once.
func TestRulesMeanWhatTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := lists(t)
		got, err := Combinations(m, Selection{})
		if err != nil && !errors.Is(err, ErrNothing) {
			t.Fatal(err)
		}
		every, err := product([]string{"p1", "p2"}, []string{"f1", "f2", "f3", "f4"}, []string{"s1", "s2", "s3", "s4"}, []string{"e1", "e2", "e3"})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range every {
			listed := func(rule config.Rule) bool {
				in := func(names config.Names, list []string, value string) bool {
					if len(names) > 0 {
						return slices.Contains(names, value)
					}
					return slices.Contains(list, value)
				}
				return in(rule.Proxy, m.Proxies, l.Proxy) && in(rule.Frontend, m.Frontends, l.Frontend) && in(rule.Store, m.Stores, l.Store) && in(rule.Environment, m.Environments, l.Environment)
			}
			want := listed(config.Rule{}) && !matchesAny(m.Exclude, l) || slices.ContainsFunc(m.Include, listed)
			count := 0
			for _, g := range got {
				if g == l {
					count++
				}
			}
			if want != (count == 1) || count > 1 {
				t.Fatalf("%+v is there %d times, want %v", l, count, want)
			}
		}
	})
}

// Pairwise chooses only what is there, each once, in order; every two labels that meet somewhere meet in what it chose; and none is chosen for nothing.
func TestPairwiseCoversAllPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, err := Combinations(lists(t), Selection{})
		if errors.Is(err, ErrNothing) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		chosen := Pairwise(all)
		position, covered := -1, map[pair]bool{}
		for _, l := range chosen {
			i := slices.Index(all, l)
			if i <= position {
				t.Fatalf("%+v is chosen twice, out of order, or was not there", l)
			}
			position = i
			for _, p := range pairs(l) {
				covered[p] = true
			}
		}
		for _, l := range all {
			for _, p := range pairs(l) {
				if !covered[p] {
					t.Fatalf("%s=%s and %s=%s never meet", dimensions[p.first], p.a, dimensions[p.second], p.b)
				}
			}
		}
	})
}

// Greed is good enough: for four lists of four, all pairs need at least 16; a full product has 256.
func TestPairwiseIsSmall(t *testing.T) {
	names := []string{"a", "b", "c", "d"}
	all, err := product(names, names, names, names)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(Pairwise(all)); n < 16 || n > 24 {
		t.Errorf("%d of %d", n, len(all))
	}
}

func TestSelectionNarrows(t *testing.T) {
	file, err := config.Read("testdata/tck.yaml")
	if err != nil {
		t.Fatal(err)
	}
	only, err := ParseRule("frontend=go|java, store=memory", file)
	if err != nil {
		t.Fatal(err)
	}
	not, err := ParseRule("frontend=java,environment=slow", file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Combinations(file.Matrix, Selection{Only: []config.Rule{only}, Exclude: []config.Rule{not}})
	want := []Labels{{"mine", "go", "memory", "plain"}, {"mine", "go", "memory", "slow"}, {"mine", "java", "memory", "plain"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
	if _, err := Combinations(file.Matrix, Selection{Only: []config.Rule{only}, Exclude: []config.Rule{only}}); !errors.Is(err, ErrNothing) {
		t.Errorf("%v, want ErrNothing", err)
	}
	for text, want := range map[string]string{"shop=x": "write proxy=", "store=memry": `declares no store "memry"`, "": "write proxy=", "store": `no store ""`} {
		if _, err := ParseRule(text, file); !errors.Is(err, ErrRule) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestTooManyCombinations(t *testing.T) {
	m := config.Matrix{Proxies: make([]string, 101), Frontends: make([]string, 100)}
	if _, err := Combinations(m, Selection{}); !errors.Is(err, ErrTooMany) {
		t.Errorf("%v, want ErrTooMany", err)
	}
}

// Each suite is judged once for each combination of what it depends on.
func TestPlanRepeatsNothing(t *testing.T) {
	file, err := config.Read("testdata/tck.yaml")
	if err != nil {
		t.Fatal(err)
	}
	combinations, err := Combinations(file.Matrix, Selection{})
	if err != nil {
		t.Fatal(err)
	}
	cells, planned := Plan(file, combinations)
	var names []string
	for _, cell := range cells {
		names = append(names, cell.Name)
	}
	slices.Sort(names)
	want := []string{
		"frontend,go", "frontend,java",
		"pair,mine,go,disk,plain", "pair,mine,go,disk,slow", "pair,mine,go,memory,plain", "pair,mine,go,memory,slow",
		"pair,mine,java,disk,plain", "pair,mine,java,disk,slow", "pair,mine,java,memory,plain", "pair,mine,java,memory,slow",
		"proxy,mine,disk", "proxy,mine,memory",
	}
	if !slices.Equal(names, want) {
		t.Errorf("cells\n%s\nwant\n%s", strings.Join(names, "\n"), strings.Join(want, "\n"))
	}
	if len(planned) != 8 || !slices.Equal(planned[1].Cells, []string{"frontend,go", "proxy,mine,memory", "pair,mine,go,memory,slow"}) {
		t.Errorf("%d combinations, the second rests on %v", len(planned), planned[1].Cells)
	}
	for _, cell := range cells {
		if want := map[bool]int{true: 3, false: 1}[cell.Labels.Frontend == "java"]; cell.Weight != want {
			t.Errorf("%s weighs %d, want %d", cell.Name, cell.Weight, want)
		}
	}
	fewer, left := OnlySuites(cells, planned, []string{"frontend"})
	if len(fewer) != 2 || len(left) != 8 || !slices.Equal(left[0].Cells, []string{"frontend,go"}) {
		t.Errorf("%v, %v", fewer, left)
	}
}

// A file without proxies has a matrix of frontends alone.
func TestPlanOfFrontendsAlone(t *testing.T) {
	file, err := config.Parse("tck.yaml", []byte("version: 1\nfrontends:\n  go: {builtin: go}\n"))
	if err != nil {
		t.Fatal(err)
	}
	combinations, err := Combinations(file.Matrix, Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if cells, _ := Plan(file, combinations); len(cells) != 1 || cells[0].Name != "frontend,go" {
		t.Errorf("%+v", cells)
	}
}
