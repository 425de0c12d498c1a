package main

import (
	"fmt"
	"strings"
)

// finding is one thing that does not fit together. Each is an error: one that could be left standing would be read by nobody.
type finding struct {
	where  string // "SPEC.md:123: ES-20", "case es/proxy/emit-one"
	what   string
	remedy string
}

func (f finding) String() string {
	return fmt.Sprintf("error: %s: %s; %s", f.where, f.what, f.remedy)
}

// report prints the findings, one a line, and a closing line.
func report(out *strings.Builder, findings []finding) {
	for _, f := range findings {
		fmt.Fprintln(out, f)
	}
	if n := len(findings); n > 0 {
		fmt.Fprintf(out, "speccheck: %d errors\n", n)
		return
	}
	fmt.Fprintln(out, "speccheck: nothing wrong")
}
