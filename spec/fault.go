package spec

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// FaultError is one thing that is wrong with the text of a SPEC.md. Parse joins all it finds into one error; errors.As finds the first.
type FaultError struct {
	Line   int    // counted from 1; 0 when it is about the text as a whole
	What   string // what is wrong
	Remedy string // how to mend it
}

// Error says where, what and how to mend it, on one line.
func (f *FaultError) Error() string {
	if f.Line == 0 {
		return fmt.Sprintf("SPEC.md: %s; %s", f.What, f.Remedy)
	}
	return fmt.Sprintf("SPEC.md:%d: %s; %s", f.Line, f.What, f.Remedy)
}

// joined makes one error of the faults, in the order of their lines, those about the text as a whole first.
func joined(faults []*FaultError) error {
	slices.SortStableFunc(faults, func(a, b *FaultError) int { return cmp.Compare(a.Line, b.Line) })
	all := make([]error, len(faults))
	for i, f := range faults {
		all[i] = f
	}
	return errors.Join(all...)
}
