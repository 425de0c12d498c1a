package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// controlled is config with a store that is away while a file is.
func controlled(t *testing.T, cases ...suite.Case) (c Config, there func() bool) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c = config(cases...)
	c.StoreAway, c.StoreBack = "rm '"+file+"'", "touch '"+file+"'"
	return c, func() bool {
		_, err := os.Stat(file)
		return err == nil
	}
}

// away is a case that takes the store away and leaves it so.
func away(id string, more ...func(ctx context.Context, t *suite.T)) suite.Case {
	c := proof(id, suite.Proxy, func(ctx context.Context, t *suite.T) {
		t.Check(t.Store().Away(ctx), suite.Failure{})
		for _, m := range more {
			m(ctx, t)
		}
	})
	c.Needs = []string{suite.NeedStoreControl}
	return c
}

func TestStoreIsTakenAwayAndBroughtBack(t *testing.T) {
	var there func() bool
	sees := func(want bool) func(context.Context, *suite.T) {
		return func(_ context.Context, t *suite.T) {
			t.Require(there() == want, suite.Failure{Expected: "the store to be there or not, as the case wants it"})
		}
	}
	c, see := controlled(t,
		away("es/proxy/away", sees(false)),
		proof("es/proxy/after", suite.Proxy, sees(true)),
		away("es/proxy/back", func(ctx context.Context, t *suite.T) { t.Check(t.Store().Back(ctx), suite.Failure{}) }, sees(true)),
		proof("es/proxy/asks", suite.Proxy, call(callEcho)),
	)
	there = see
	r := run1(t, c)
	for _, k := range r.Cases {
		if k.Verdict != verdict.Passed {
			t.Errorf("%s: %s %s %+v", k.ID, k.Verdict, k.Reason, k.Failure)
		}
	}
	if !see() {
		t.Error("the store was left away")
	}
}

func TestStoreThatCannotBeTakenAway(t *testing.T) {
	c := config(away("es/proxy/away"), proof("es/proxy/asks", suite.Proxy, func(_ context.Context, t *suite.T) { t.Store() }))
	r := run1(t, c)
	if k := result(t, r, "es/proxy/away"); k.Verdict != verdict.NotApplicable || !strings.Contains(k.Reason, "--store-away") {
		t.Errorf("%s (%s)", k.Verdict, k.Reason)
	}
	if k := result(t, r, "es/proxy/asks"); k.Verdict != verdict.Error {
		t.Errorf("a case that does not say that it takes the store away: %s", k.Verdict)
	}
	c.StoreAway = "true"
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "--store-back") {
		t.Errorf("one command of the two: %v", err)
	}
}

// What does not come back is a fault of the run, and no other case is judged without it.
func TestStoreThatDoesNotComeBack(t *testing.T) {
	c, _ := controlled(t, away("es/proxy/away"), proof("es/proxy/after", suite.Proxy, call(callEcho)))
	c.StoreBack = "echo the disk is gone; exit 4"
	r := run1(t, c)
	if k := result(t, r, "es/proxy/after"); k.Verdict != verdict.NotRun || !strings.Contains(k.Reason, "the disk is gone") {
		t.Errorf("%s (%s)", k.Verdict, k.Reason)
	}
	if !strings.Contains(strings.Join(r.Summary.Problems, "\n"), "the disk is gone") {
		t.Errorf("the summary does not say so: %v", r.Summary.Problems)
	}
}

func TestClaimOfRemoteStore(t *testing.T) {
	for _, can := range []bool{true, false} {
		if got := (declared{storeControl: can}).claims(true, false)[spec.Proxy]["remote-store"]; got != can {
			t.Errorf("claimed: %t, controlled: %t", got, can)
		}
	}
}

// TestFewNamespaces: the next proxy of a single case gets the namespace of one that has stopped in an orderly way, and never one of a proxy that
// was killed, or that runs. Nothing of either is left behind.
func TestFewNamespaces(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	var seen []string
	note := func(ctx context.Context, t *suite.T) {
		t.Serve(suite.ModelFunction())
		t.Check(t.Proxy().Start(ctx), suite.Failure{})
		_, namespace, _ := strings.Cut(strings.Join(wrote(ctx, t, "namespace ", 1), "\n"), "namespace ")
		seen = append(seen, strings.Fields(namespace)[0])
		if len(seen) == 2 {
			t.Check(t.Proxy().Kill(ctx), suite.Failure{})
		}
	}
	var cases []suite.Case
	for _, id := range []string{"a", "b", "c", "d"} {
		c := proof("es/proxy/"+id, suite.Proxy, note)
		c.OwnTarget = true
		cases = append(cases, c)
	}
	c := config(cases...)
	c.FewNamespaces = true
	run1(t, c)
	if len(seen) != 4 || seen[0] != seen[1] || seen[1] == seen[2] || seen[2] != seen[3] {
		t.Errorf("namespaces, of which the second's proxy was killed: %v", seen)
	}
	seen, c.FewNamespaces = nil, false
	run1(t, c)
	if len(seen) != 4 || seen[0] == seen[1] || seen[2] == seen[3] {
		t.Errorf("namespaces, when a new one is wanted each time: %v", seen)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
