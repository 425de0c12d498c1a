package claim

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/report"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// conforming is a report of a proxy that passes whatever can be tested of core, event-sourced and durable.
func conforming(t testing.TB) *verdict.Report {
	t.Helper()
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	r := &verdict.Report{
		Schema: verdict.SchemaVersion, Kit: "cloudstate-tck test", Command: []string{"run", "--proxy", "exec:it's mine"},
		Spec: verdict.SpecVersion{Version: catalogue.Version, Protocol: catalogue.Protocol}, Target: verdict.Target{
			Name: "exec:it's mine", Proxy: "exec:it's mine", ProxyVersion: "Example Proxy 1.4", Store: "embedded",
			Claims: map[spec.Party][]string{spec.Proxy: {"core", "durable", "event-sourced"}},
		},
		Cases: []verdict.Case{},
	}
	for _, requirement := range catalogue.Requirements {
		if requirement.InForce() && requirement.NotTested == "" && requirement.Level.Mandatory() {
			r.Cases = append(r.Cases, verdict.Case{
				ID: "all/proxy/" + strings.ToLower(requirement.ID), Kind: suite.Proxy, Title: "t", Requirements: []string{requirement.ID}, Verdict: verdict.Passed,
			})
		}
	}
	roll(t, r, nil)
	return r
}

func roll(t testing.TB, r *verdict.Report, announced []verdict.Announced) {
	t.Helper()
	catalogue, err := spec.Load()
	if err != nil {
		t.Fatal(err)
	}
	verdict.Roll(r, catalogue, verdict.Claims{spec.Proxy: {"core": true, "event-sourced": true, "durable": true}}, announced, nil)
}

// fails has the case of a requirement fail.
func fails(t testing.TB, r *verdict.Report, id string, announced []verdict.Announced) {
	t.Helper()
	i := slices.IndexFunc(r.Cases, func(c verdict.Case) bool { return slices.Contains(c.Requirements, id) })
	r.Cases[i].Verdict, r.Cases[i].Failure = verdict.Failed, &suite.Failure{Requirement: id, Expected: "a", Got: "b"}
	roll(t, r, announced)
}

func TestNew(t *testing.T) {
	c, err := New(conforming(t), Subject{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "Example Proxy 1.4 conforms to Cloudstate 0.2.0 as a proxy, profiles core, durable, event-sourced"; c.Sentence() != want {
		t.Errorf("%q, want %q", c.Sentence(), want)
	}
	if c.Results.Requirements["ES-54"] != verdict.Passed || c.Results.Cases["all/proxy/es-54"] != verdict.Passed {
		t.Error("the results lack ES-54")
	}
	for _, id := range []string{"VE-20", "DISC-05"} {
		if _, ok := c.Results.Requirements[id]; ok {
			t.Errorf("%s is of another profile or party", id)
		}
	}
	if diff := c.Differences(conforming(t)); len(diff) > 0 || c.Intact() != nil {
		t.Errorf("a claim and what it was made from: %v", diff)
	}
	fewer, err := New(conforming(t), Subject{Profiles: []string{"durable"}, Name: "X", Version: "2"})
	if err != nil || !slices.Equal(fewer.Profiles, []string{"core", "durable"}) || fewer.Implementation != (Implementation{"X", "2", "Example Proxy 1.4"}) {
		t.Errorf("%v, %+v", err, fewer)
	}
}

func TestWhatAReportDoesNotBear(t *testing.T) {
	for _, tt := range []struct {
		name    string
		subject Subject
		spoil   func(*verdict.Report)
		want    string
	}{
		{"a MUST that failed", Subject{}, func(r *verdict.Report) { fails(t, r, "ES-20", nil) }, "ES-20 (MUST, event-sourced) failed"},
		{"an announced failure", Subject{}, func(r *verdict.Report) {
			fails(t, r, "ES-20", []verdict.Announced{{Requirement: "ES-20", Reason: "x"}})
		}, "ES-20"},
		{"a MUST of core, for another profile", Subject{Profiles: []string{"durable"}}, func(r *verdict.Report) { fails(t, r, "DISC-01", nil) }, "DISC-01 (MUST, core) failed"},
		{"a MUST that did not run", Subject{}, func(r *verdict.Report) { r.Cases = r.Cases[1:]; roll(t, r, nil) }, "not run: no case of the kit proves it"},
		{"a selection", Subject{}, func(r *verdict.Report) { r.Selection.Partial = true }, "left out by choice"},
		{"no command", Subject{}, func(r *verdict.Report) { r.Command = nil }, "how it was made"},
		{"a profile that is not claimed", Subject{Profiles: []string{"action"}}, func(*verdict.Report) {}, "does not claim the profile action"},
		{"another party", Subject{Party: spec.Frontend}, func(*verdict.Report) {}, "judged no frontend"},
		{"two parties", Subject{}, func(r *verdict.Report) { r.Target.Claims[spec.Frontend] = []string{"core"} }, "--party"},
		{"nobody knows who", Subject{Name: "X"}, func(r *verdict.Report) { r.Target.ProxyVersion = "" }, "--version"},
	} {
		r := conforming(t)
		tt.spoil(r)
		if _, err := New(r, tt.subject); !errors.Is(err, ErrUnfounded) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	r := conforming(t)
	fails(t, r, "ES-20", nil)
	if _, err := New(r, Subject{Profiles: []string{"durable"}}); err != nil {
		t.Errorf("a claim that leaves out the profile that fails: %v", err)
	}
}

func TestDifferences(t *testing.T) {
	c, err := New(conforming(t), Subject{})
	if err != nil {
		t.Fatal(err)
	}
	worse := conforming(t)
	fails(t, worse, "ES-20", nil)
	worse.Target.ProxyVersion = "Example Proxy 1.5"
	worse.Target.Claims[spec.Proxy] = []string{"core", "event-sourced"}
	want := []string{
		"the proxy calls itself: claimed Example Proxy 1.4, now Example Proxy 1.5", "profile durable: claimed claimed, now not claimed by the target",
		"requirement ES-20: claimed passed, now failed", "case all/proxy/es-20: claimed passed, now failed",
	}
	if got := c.Differences(worse); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	less := conforming(t)
	less.Cases = less.Cases[:len(less.Cases)-1]
	less.Cases = slices.DeleteFunc(less.Cases, func(k verdict.Case) bool { return k.ID == "all/proxy/es-54" })
	roll(t, less, nil)
	if got := strings.Join(c.Differences(less), "\n"); !strings.Contains(got, "case all/proxy/es-54: claimed passed, now absent") {
		t.Errorf("a case that is gone: %s", got)
	}
	if got := c.Differences(&verdict.Report{Spec: worse.Spec}); !strings.Contains(strings.Join(got, "\n"), "no proxy was judged") {
		t.Errorf("%q", got)
	}
}

// The digest knows no order, no time, no words; it knows every verdict.
func TestDigest(t *testing.T) {
	first, err := New(conforming(t), Subject{})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		r := conforming(t)
		r.Cases = rapid.Permutation(r.Cases).Draw(rt, "order")
		for i := range r.Cases {
			r.Cases[i].DurationMS = int64(i)
			r.Cases[i].Notes = []string{"other words"}
		}
		r.Seed = rapid.Int64().Draw(rt, "seed")
		roll(t, r, nil)
		again, err := New(r, Subject{})
		if err != nil {
			rt.Fatal(err)
		}
		if again.Digest != first.Digest {
			rt.Fatal("the same results in another order have another digest")
		}
		for id := range again.Results.Cases {
			again.Results.Cases[id] = verdict.NotRun
			break
		}
		if again.Intact() == nil {
			rt.Fatal("a verdict that was altered is not seen")
		}
	})
}

func TestReadWhatWasWritten(t *testing.T) {
	c, err := New(conforming(t), Subject{Note: "a <disk>"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "claim.json")
	read := func(text string) (*Claim, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Read(path)
	}
	got, err := read(b.String())
	if err != nil || got.Digest != c.Digest || got.Reproduce.Note != "a <disk>" || !slices.Equal(got.Reproduce.Command, c.Reproduce.Command) {
		t.Errorf("%v, %+v", err, got)
	}
	for name, text := range map[string]string{
		"altered":                 strings.Replace(b.String(), `"ES-20": "passed"`, `"ES-20": "not_run"`, 1),
		"a verdict there is not":  strings.Replace(b.String(), `"ES-20": "passed"`, `"ES-20": "splendid"`, 1),
		"without core":            strings.Replace(b.String(), `"core"`, `"action"`, 1),
		"a later form":            strings.Replace(b.String(), `"schema_version": "1.0"`, `"schema_version": "2.0"`, 1),
		"no JSON":                 "{",
		"a profile more":          strings.Replace(b.String(), `"durable",`, `"durable", "management",`, 1),
		"another version of SPEC": strings.Replace(b.String(), `"version": "0.2.0"`, `"version": "0.3.0"`, 1),
	} {
		if text == b.String() {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), "claim.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := report.Validate(Schema, []byte(`{}`)); err == nil {
		t.Error("the schema accepts nothing at all")
	}
}

func TestSchemaIsPublished(t *testing.T) {
	published, err := os.ReadFile(filepath.Join("..", "..", "docs", "tck", "claim.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if string(published) != Schema {
		t.Error("docs/tck/claim.schema.json differs from tck/claim/claim.schema.json: copy the latter over the former")
	}
}
