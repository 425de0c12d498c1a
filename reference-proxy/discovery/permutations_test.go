package discovery

import (
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/fixtures/descriptors"
)

// Every permutation of the canonical set, accepted with the right keys or refused for the right reason.
func TestPermutations(t *testing.T) {
	for _, p := range descriptors.All() {
		t.Run(p.Name, func(t *testing.T) {
			f, problems := Validate(p.Spec(), Options{Served: Kinds()})
			if !p.Valid {
				requireProblem(t, problems, p.Problem)
				return
			}
			if len(problems) > 0 {
				t.Fatalf("refused: %v", problems)
			}
			if len(f.Services) != len(p.Entities) {
				t.Errorf("%d services for %d entities", len(f.Services), len(p.Entities))
			}
			for i, s := range p.Samples {
				key, err := f.Method(s.Service, s.Method).Key.Extract(s.Message)
				if key != s.Key || (err == nil) != (s.Key != "") {
					t.Errorf("sample %d, %s/%s %x: key %q, error %v; want %q", i+1, s.Service, s.Method, s.Message, key, err, s.Key)
				}
			}
		})
	}
}

func requireProblem(t *testing.T, problems []Problem, text string) {
	t.Helper()
	for _, p := range problems {
		if p.Code == "" || p.Text == "" || p.Remedy == "" {
			t.Errorf("problem without code, text or remedy: %+v", p)
		}
	}
	for _, p := range problems {
		if strings.Contains(strings.ToLower(p.String()), strings.ToLower(text)) {
			return
		}
	}
	t.Errorf("no problem contains %q: %v", text, problems)
}
