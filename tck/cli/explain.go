package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// explainCommand is `cloudstate-tck explain`.
type explainCommand struct {
	ID []string `arg:"" help:"Requirement ids, such as ES-20, or case ids."`
}

// Run prints what is known of each id.
func (c *explainCommand) Run(stdio Stdio) error {
	catalogue, err := spec.Load()
	if err != nil {
		return err
	}
	var b strings.Builder
	for i, id := range c.ID {
		if i > 0 {
			b.WriteString("\n")
		}
		if err := explain(&b, catalogue, id); err != nil {
			return err
		}
	}
	_, err = fmt.Fprint(stdio.Out, b.String())
	return err
}

func explain(b *strings.Builder, catalogue *spec.Catalogue, id string) error {
	cases := Cases()
	if i := slices.IndexFunc(cases, func(k suite.Case) bool { return k.ID == id }); i >= 0 {
		return explainCase(b, catalogue, cases[i])
	}
	r, ok := catalogue.Lookup(strings.ToUpper(id))
	if !ok {
		hint := ""
		if near := catalogue.Nearest(strings.ToUpper(id)); near != "" {
			hint = "; the nearest is " + near
		}
		return fmt.Errorf("%s is neither a requirement of SPEC.md nor a case%s", id, hint)
	}
	explainRequirement(b, catalogue, r)
	if !r.InForce() {
		return nil
	}
	found := false
	for _, k := range cases {
		if slices.Contains(k.Requirements, r.ID) {
			found = true
			fmt.Fprintf(b, "  proved by  %s\n             %s\n", k.ID, k.Title)
		}
	}
	if !found && r.NotTested == "" {
		b.WriteString("  proved by  no case yet\n")
	}
	return nil
}

func explainRequirement(b *strings.Builder, catalogue *spec.Catalogue, r spec.Requirement) {
	area, _ := catalogue.Area(r.Area)
	fmt.Fprintf(b, "%s  %s (SPEC.md, line %d)\n", r.ID, area.Title, r.Line)
	if !r.InForce() {
		fmt.Fprintf(b, "  withdrawn  %s\n", r.Withdrawn)
		return
	}
	fmt.Fprintf(b, "  %s\n\n", r.Text)
	fmt.Fprintf(b, "  level      %s\n  binds      %s\n  profile    %s", r.Level, r.Party, r.Profile)
	if profile, ok := catalogue.Profile(r.Profile); ok {
		fmt.Fprintf(b, ": applies to a target that %s", profile.Applies)
	}
	fmt.Fprintf(b, "\n  since      %s\n", r.Since)
	for _, id := range r.Gaps {
		if i := slices.IndexFunc(catalogue.Gaps, func(g spec.Gap) bool { return g.ID == id }); i >= 0 {
			fmt.Fprintf(b, "  settles    %s: %s\n", id, catalogue.Gaps[i].Decision)
		} else {
			fmt.Fprintf(b, "  settles    %s\n", id)
		}
	}
	if r.NotTested != "" {
		fmt.Fprintf(b, "  not tested %s\n", r.NotTested)
	}
}

func explainCase(b *strings.Builder, catalogue *spec.Catalogue, k suite.Case) error {
	fmt.Fprintf(b, "%s  (%s case)\n  %s\n\n", k.ID, k.Kind, k.Title)
	for _, need := range k.Needs {
		fmt.Fprintf(b, "  needs      %s\n", need)
	}
	for _, id := range k.Requirements {
		r, ok := catalogue.Lookup(id)
		if !ok {
			return fmt.Errorf("case %s names the unknown requirement %s", k.ID, id)
		}
		fmt.Fprintf(b, "  proves     %s %s\n", id, r.Text)
	}
	return nil
}
