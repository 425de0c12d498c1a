package environment

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestEveryEnvironmentIsNamedAndExplained(t *testing.T) {
	seen := map[string]bool{}
	for i, e := range All() {
		if e.Name == "" || seen[e.Name] || !strings.HasSuffix(e.Doc, ".") {
			t.Errorf("environment %d: %q, %q", i, e.Name, e.Doc)
		}
		seen[e.Name] = true
		got, err := Lookup(e.Name)
		if err != nil || got.Doc != e.Doc {
			t.Errorf("%s is not found: %v", e.Name, err)
		}
		if len(e.menu) > 0 && (e.spread < 1 || !e.Links) {
			t.Errorf("%s disturbs without a pace or without links", e.Name)
		}
	}
	if All()[0].Name != Plain {
		t.Error("the plain one is not the first")
	}
	if _, err := Lookup("storms"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "lossy-links") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestWhatAnEnvironmentNeedsOfTheTargets(t *testing.T) {
	all := Targets{ProxyStarts: true, FunctionStarts: true, Durable: true}
	remoteProxy, remoteFunction, forgetful := all, all, all
	remoteProxy.ProxyStarts, remoteFunction.FunctionStarts, forgetful.Durable = false, false, false
	const (
		proxyGiven    = "the proxy, which the kit was given as an address"
		functionGiven = "the user function, which the kit was given as an address"
		memory        = "which the store does not claim to outlive"
	)
	for name, want := range map[string][3]string{
		"plain":            {},
		"tiny-passivation": {},
		"slow-links":       {},
		"lossy-links":      {},
		"restart-proxy":    {proxyGiven, "", memory},
		"restart-function": {"", functionGiven, ""},
		"crash-function":   {"", functionGiven, ""},
		"kills":            {proxyGiven, functionGiven, memory},
	} {
		e, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, targets := range []Targets{remoteProxy, remoteFunction, forgetful} {
			got := e.Inapplicable(targets)
			if (got == "") != (want[i] == "") || !strings.Contains(got, want[i]) {
				t.Errorf("%s with %+v: %q, want %q", name, targets, got, want[i])
			}
		}
		if got := e.Inapplicable(all); got != "" {
			t.Errorf("%s with everything: %q", name, got)
		}
	}
}

// TestPlan: the same seed draws the same steps, whatever else; another one draws others; in time everything possible happens, and nothing else.
func TestPlan(t *testing.T) {
	lines := func(e Environment, seed uint64, without string) []string {
		var out []string
		for _, s := range Plan(e, seed, 400, func(what string) bool { return what != without }) {
			out = append(out, s.String())
			if s.After < 1 || s.After > e.spread || s.Pause < 0 || s.Pause >= maxPause || s.Length < minLength || s.Length >= maxLength {
				t.Errorf("%s: %s is out of bounds", e.Name, s)
			}
		}
		return out
	}
	for _, e := range All() {
		if len(e.menu) == 0 {
			if steps := Plan(e, 1, 400, func(string) bool { return true }); steps != nil {
				t.Errorf("%s disturbs: %v", e.Name, steps)
			}
			continue
		}
		without := "store taken away"
		first := lines(e, 1, without)
		if !slices.Equal(first, lines(e, 1, without)) {
			t.Errorf("%s: the same seed draws other steps", e.Name)
		}
		if slices.Equal(first, lines(e, 2, without)) {
			t.Errorf("%s: another seed draws the same steps", e.Name)
		}
		for _, d := range e.menu {
			if slices.ContainsFunc(first, func(l string) bool { return strings.Contains(l, ": "+d.name+" (") }) == (d.name == without) {
				t.Errorf("%s: whether %q is drawn is wrong", e.Name, d.name)
			}
		}
	}
}

func TestCount(t *testing.T) {
	step := func(d disturbance) Step { return Step{What: d.name, does: d} }
	got := count([]Step{step(proxyKilledTwice), step(functionKilled), step(proxyKilled), step(bothKilled), step(functionKilled), step(storeTaken)})
	want := "6 disturbances (1 proxy and user function killed, 1 proxy killed, 1 proxy killed, and again while it started, 1 store taken away, " +
		"2 user function killed), 8 kills: 4 of the proxy, 3 of the user function, 1 of the store"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := count(nil); got != "no disturbances" {
		t.Error(got)
	}
}
