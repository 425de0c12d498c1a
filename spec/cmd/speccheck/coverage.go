package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/stateful-serverless/cloudstate/spec"
)

// count is how far a set of requirements in force is covered.
type count struct {
	must      int // MUST and MUST NOT
	proven    int // of these: with at least one case
	reasoned  int // of these: without a case, with a reason
	missing   int // of these: with neither
	other     int // SHOULD, SHOULD NOT, MAY
	otherSeen int // of these: with at least one case
}

// areaCount is the count of one area.
type areaCount struct {
	code string
	count
}

// coverage is the counts of all areas in force, in the order of SPEC.md.
type coverage struct {
	areas []areaCount
	cases int
}

// cover counts what the cases, by what they say, prove.
func cover(catalogue *spec.Catalogue, cases []testCase) coverage {
	proven := map[string]bool{}
	for _, c := range cases {
		for _, id := range c.Requirements {
			proven[id] = true
		}
	}
	all := coverage{cases: len(cases)}
	for _, area := range catalogue.Areas {
		if area.Reserved {
			continue
		}
		a := areaCount{code: area.Code}
		for _, r := range catalogue.InArea(area.Code) {
			if r.InForce() {
				a.add(r, proven[r.ID])
			}
		}
		all.areas = append(all.areas, a)
	}
	return all
}

func (c *count) add(r spec.Requirement, proven bool) {
	switch {
	case !r.Level.Mandatory():
		c.other++
		if proven {
			c.otherSeen++
		}
		return
	case proven:
		c.proven++
	case r.NotTested != "":
		c.reasoned++
	default:
		c.missing++
	}
	c.must++
}

func (c *count) plus(o count) {
	c.must += o.must
	c.proven += o.proven
	c.reasoned += o.reasoned
	c.missing += o.missing
	c.other += o.other
	c.otherSeen += o.otherSeen
}

// printCoverage writes the counts as a table.
func printCoverage(out *strings.Builder, c coverage) error {
	var rows strings.Builder
	rows.WriteString("area\tMUST\twith cases\twith a reason\twith neither\tSHOULD, MAY\twith cases\t\n")
	total := areaCount{code: "total"}
	for _, a := range c.areas {
		total.plus(a.count)
		a.print(&rows)
	}
	total.print(&rows)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	if _, err := table.Write([]byte(rows.String())); err != nil {
		return err
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d cases\n", c.cases)
	return nil
}

func (a areaCount) print(out *strings.Builder) {
	fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", a.code, a.must, a.proven, a.reasoned, a.missing, a.other, a.otherSeen)
}
