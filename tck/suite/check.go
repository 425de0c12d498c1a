package suite

import (
	"errors"
	"fmt"
	"regexp"
)

var idForm = regexp.MustCompile(`^[a-z0-9]+(?:-[a-z0-9]+)*(?:/[a-z0-9]+(?:-[a-z0-9]+)*)+$`)

// Check returns what is wrong with the cases themselves, all faults joined: malformed or duplicate ids, missing titles, requirements
// or functions, unknown kinds. Whether requirement ids exist is checked against the catalogue by package verdict.
func Check(cases []Case) error {
	var faults []error
	seen := make(map[string]bool, len(cases))
	for i, c := range cases {
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("case %d (%q): %s", i, c.ID, fmt.Sprintf(format, args...)))
		}
		if !idForm.MatchString(c.ID) {
			fault("the id must be lower-case words joined by '-', in at least two parts joined by '/', such as es/proxy/emit-one")
		}
		if seen[c.ID] {
			fault("the id is used twice; ids are unique over all suites")
		}
		seen[c.ID] = true
		if c.Title == "" {
			fault("has no title")
		}
		if len(c.Requirements) == 0 {
			fault("proves no requirement; name at least one id of SPEC.md")
		}
		if c.Kind != Frontend && c.Kind != Proxy && c.Kind != Pair {
			fault("has the unknown kind %q; use frontend, proxy or pair", c.Kind)
		}
		if c.Timeout < 0 {
			fault("has a negative time limit")
		}
		if c.Run == nil {
			fault("has nothing to run")
		}
	}
	return errors.Join(faults...)
}
