package environment

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Bounds of what a plan draws.
const (
	maxPause  = 20 * time.Millisecond
	minLength = 20 * time.Millisecond
	maxLength = 300 * time.Millisecond
)

// Step is one disturbance to come.
type Step struct {
	// What names it, such as "proxy killed".
	What string
	// After is how many operations are to be acknowledged before it, since the step before it was over; Pause is what passes besides.
	After int64
	Pause time.Duration
	// Length is for how long it lasts, where it lasts at all.
	Length time.Duration

	does disturbance
}

// String is the step as one line.
func (s Step) String() string {
	return fmt.Sprintf("after %d operations and %v: %s (%v)", s.After, s.Pause.Round(time.Microsecond), s.What, s.Length.Round(time.Millisecond))
}

// Plan draws n steps of the environment's disturbances from seed, leaving out those for which possible is false. It depends on nothing else.
func Plan(e Environment, seed uint64, n int, possible func(what string) bool) []Step {
	random := rand.New(rand.NewPCG(seed, 0))
	var menu []disturbance
	for _, d := range e.menu {
		if possible(d.name) {
			menu = append(menu, slices.Repeat([]disturbance{d}, d.weight)...)
		}
	}
	if len(menu) == 0 {
		return nil
	}
	steps := make([]Step, 0, n)
	for range n {
		d := menu[random.IntN(len(menu))]
		steps = append(steps, Step{
			What: d.name, does: d,
			After:  1 + random.Int64N(e.spread),
			Pause:  time.Duration(random.Int64N(int64(maxPause))),
			Length: minLength + time.Duration(random.Int64N(int64(maxLength-minLength))),
		})
	}
	return steps
}

// count says how often each disturbance is among the steps, and how many kills that makes at each hop.
func count(steps []Step) string {
	if len(steps) == 0 {
		return "no disturbances"
	}
	times, kills := map[string]int{}, map[Hop]int{}
	var names []string
	for _, s := range steps {
		if times[s.What]++; times[s.What] == 1 {
			names = append(names, s.What)
		}
		for _, hop := range s.does.kills {
			kills[hop]++
		}
	}
	slices.Sort(names)
	parts := make([]string, 0, len(names))
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%d %s", times[name], name))
	}
	text := fmt.Sprintf("%d disturbances (%s)", len(steps), strings.Join(parts, ", "))
	if total := kills[Proxy] + kills[Function] + kills[Store]; total > 0 {
		text += fmt.Sprintf(", %d kills: %d of the proxy, %d of the user function, %d of the store", total, kills[Proxy], kills[Function], kills[Store])
	}
	return text
}
