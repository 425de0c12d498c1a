package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// ErrFile is wrapped by everything that is wrong with a tck.yaml.
var ErrFile = errors.New("bad tck.yaml")

// Fault is one thing that is wrong, and where.
type Fault struct {
	Path         string
	Line, Column int
	Text         string
}

// Error returns path:line:column: text (without the column where YAML itself is broken, whose reader tells none), as compilers write it, so that editors can jump there.
func (f *Fault) Error() string {
	switch {
	case f.Line == 0:
		return f.Path + ": " + f.Text
	case f.Column == 0:
		return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.Path, f.Line, f.Column, f.Text)
}

// Unwrap returns [ErrFile].
func (f *Fault) Unwrap() error { return ErrFile }

// maxFaults bounds how many faults of a file are told.
const maxFaults = 20

// faults collects what is wrong with one file.
type faults struct {
	path string
	all  []*Fault
}

func (f *faults) add(node *yaml.Node, format string, args ...any) {
	fault := &Fault{Path: f.path, Text: fmt.Sprintf(format, args...)}
	if node != nil {
		fault.Line, fault.Column = node.Line, node.Column
	}
	f.all = append(f.all, fault)
}

// yamlLine is how the reader of YAML tells a place.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// addYAML adds what the reader of YAML complains of.
func (f *faults) addYAML(err error) {
	texts := []string{err.Error()}
	var several *yaml.TypeError
	if errors.As(err, &several) {
		texts = several.Errors
	}
	for _, text := range texts {
		fault := &Fault{Path: f.path, Text: text}
		if found := yamlLine.FindStringSubmatch(text); found != nil {
			fault.Line, _ = strconv.Atoi(found[1])
			fault.Text = found[2]
		}
		f.all = append(f.all, fault)
	}
}

// err joins the faults in the order of their places; nil when there is none.
func (f *faults) err() error {
	slices.SortStableFunc(f.all, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	f.all = slices.CompactFunc(f.all, func(a, b *Fault) bool { return *a == *b })
	var errs []error
	for i, fault := range f.all {
		if i == maxFaults {
			errs = append(errs, &Fault{Path: f.path, Text: fmt.Sprintf("and %d more faults", len(f.all)-maxFaults)})
			break
		}
		errs = append(errs, fault)
	}
	return errors.Join(errs...)
}
