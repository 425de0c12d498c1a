package journaltest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// fact is what is known of the content of a log or a value: what is there for sure, and
// what unknown outcomes may make of it. A value's content is its version and its payload,
// or nothing.
type fact struct {
	sure  []string
	floor journal.Token // that of the newest owner who adopted or wrote
	maybe []change
}

// change is a write whose outcome is unknown: it makes to of from, now, later or never.
type change struct {
	token journal.Token
	from  string // the whole content, joined
	to    []string
}

// adopt: nothing that an older token wrote appears from now on.
func (f *fact) adopt(token journal.Token) {
	f.floor = max(f.floor, token)
	f.maybe = slices.DeleteFunc(f.maybe, func(c change) bool { return c.token < f.floor })
}

// make notes a change that was acknowledged.
func (f *fact) make(c change) {
	f.adopt(c.token)
	f.sure = c.to
}

// see holds a read against what is known, and learns from it. It says what is wrong.
func (f *fact) see(got []string) string {
	open, possible := reach(strings.Join(f.sure, "\n"), strings.Join(got, "\n"), f.floor, f.maybe)
	if !possible {
		return fmt.Sprintf("got %q, sure is %q, and possible are %v (adopted by token %d)", got, f.sure, f.maybe, f.floor)
	}
	f.sure, f.maybe = slices.Clone(got), open
	return ""
}

// reach looks for changes that lead from one content to another: one unknown outcome may
// stand on another, of the same token or an older one. It returns those that were not needed.
func reach(from, to string, floor journal.Token, open []change) (left []change, possible bool) {
	if from == to {
		return open, true
	}
	for i, c := range open {
		if c.token < floor || c.from != from {
			continue
		}
		others := slices.Delete(slices.Clone(open), i, i+1)
		if left, possible := reach(strings.Join(c.to, "\n"), to, c.token, others); possible {
			return left, true
		}
	}
	return nil, false
}

// version is that of a value; 0 if there is none.
func (f *fact) version() (v uint64) {
	if len(f.sure) > 0 {
		_, _ = fmt.Sscan(f.sure[0], &v) // it was printed from a number
	}
	return v
}
