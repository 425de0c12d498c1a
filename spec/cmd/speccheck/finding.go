package main

import (
	"fmt"
	"strings"
)

// finding is one thing that does not fit together.
type finding struct {
	where   string // "SPEC.md:123: ES-20", "case es/proxy/emit-one"
	what    string
	remedy  string
	warning bool // worth knowing, and no reason to fail
}

func (f finding) String() string {
	kind := "error"
	if f.warning {
		kind = "warning"
	}
	return fmt.Sprintf("%s: %s: %s; %s", kind, f.where, f.what, f.remedy)
}

// report prints the findings, one a line, and a closing line.
func report(out *strings.Builder, findings []finding) {
	for _, f := range findings {
		fmt.Fprintln(out, f)
	}
	if n := failing(findings); n > 0 {
		fmt.Fprintf(out, "speccheck: %d errors\n", n)
		return
	}
	fmt.Fprintln(out, "speccheck: nothing wrong")
}

// failing counts the findings that are no mere warnings.
func failing(findings []finding) int {
	n := 0
	for _, f := range findings {
		if !f.warning {
			n++
		}
	}
	return n
}
