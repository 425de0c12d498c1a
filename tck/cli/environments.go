package cli

import (
	"fmt"

	"github.com/stateful-serverless/cloudstate/tck/environment"
)

// environmentsCommand is `cloudstate-tck environments`.
type environmentsCommand struct{}

// Run lists.
func (*environmentsCommand) Run(stdio Stdio) error {
	for _, e := range environment.All() {
		if _, err := fmt.Fprintf(stdio.Out, "%-18s %s\n", e.Name, e.Doc); err != nil {
			return err
		}
	}
	return nil
}
