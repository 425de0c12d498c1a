package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/engine"
)

// listCommand is `cloudstate-tck list`.
type listCommand struct {
	JSON bool `name:"json" help:"As JSON: {\"cases\": [{id, title, suite, requirements, needs, labels}]}."`
}

// listed is one case as programs get it.
type listed struct {
	ID           string   `json:"id"`
	Title        string   `json:"title"`
	Suite        string   `json:"suite"`
	Requirements []string `json:"requirements"`
	Needs        []string `json:"needs"`
	Labels       []string `json:"labels"`
}

// Run prints the cases.
func (c *listCommand) Run(stdio Stdio) error {
	catalogue, err := spec.Load()
	if err != nil {
		return err
	}
	all := []listed{}
	for _, k := range Cases() {
		all = append(all, listed{
			ID: k.ID, Title: k.Title, Suite: string(k.Kind), Requirements: k.Requirements,
			Needs: append([]string{}, k.Needs...), Labels: engine.Labels(k, catalogue),
		})
	}
	if c.JSON {
		encoder := json.NewEncoder(stdio.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string]any{"cases": all})
	}
	for _, k := range all {
		if _, err := fmt.Fprintf(stdio.Out, "%-52s %s\n%52s proves %s; labels %s\n", k.ID, k.Title, "",
			strings.Join(k.Requirements, ", "), strings.Join(k.Labels, ", ")); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(stdio.Out, "%d cases\n", len(all))
	return err
}
