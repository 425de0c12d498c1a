package engine

import (
	"slices"
	"testing"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

func TestSelection(t *testing.T) {
	cases := []suite.Case{
		{ID: "es/frontend/one", Kind: suite.Frontend, Requirements: []string{"ES-02"}, Labels: []string{"Slow"}},
		{ID: "es/frontend/one-more", Kind: suite.Frontend, Requirements: []string{"ES-02", "ES-03"}},
		{ID: "ve/proxy/two", Kind: suite.Proxy, Requirements: []string{"ES-01"}},
	}
	for _, tt := range []struct {
		name string
		s    Selection
		want []string
	}{
		{"everything", Selection{}, []string{"es/frontend/one", "es/frontend/one-more", "ve/proxy/two"}},
		{"suite", Selection{Suites: []suite.Kind{suite.Proxy}}, []string{"ve/proxy/two"}},
		{"label", Selection{Label: "slow"}, []string{"es/frontend/one"}},
		{"label of the requirement's", Selection{Label: "ES && !both"}, []string{"es/frontend/one", "ve/proxy/two"}},
		{"one id", Selection{Focus: []string{"es/frontend/one"}}, []string{"es/frontend/one"}},
		{"wildcard", Selection{Focus: []string{"es/frontend/one*"}}, []string{"es/frontend/one", "es/frontend/one-more"}},
		{"prefix", Selection{Focus: []string{"es"}}, []string{"es/frontend/one", "es/frontend/one-more"}},
		{"requirement", Selection{Focus: []string{"ES-03"}}, []string{"es/frontend/one-more"}},
		{"several", Selection{Focus: []string{"ES-03", "ve/"}}, []string{"es/frontend/one-more", "ve/proxy/two"}},
		{"each narrows", Selection{Suites: []suite.Kind{suite.Frontend}, Focus: []string{"ES-03", "ve/"}}, []string{"es/frontend/one-more"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			unwanted, err := tt.s.compile(catalogue(), cases)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range cases {
				if unwanted(c) == "" {
					got = append(got, c.ID)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
