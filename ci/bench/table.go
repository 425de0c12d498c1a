package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// print writes the report for a person.
func (r *report) print(w io.Writer) error {
	var b bytes.Buffer
	m := &r.Machine
	fmt.Fprintf(&b, "%s, %d processors, %s; load %s before, %s after\n", m.CPU, m.Processors, m.Go, m.LoadBefore, m.LoadAfter)
	fmt.Fprintf(&b, "medians of %d rounds of %v, each between two of the floor; %d connection(s), %d entities, %d-byte payloads\n",
		r.Settings.Rounds, r.Settings.Round, r.Settings.Connections, r.Settings.Entities, payloadSize)
	for i := range r.Results {
		res := &r.Results[i]
		if res.Row == floorName {
			fmt.Fprintf(&b, "\n%-42s %10s  %-24s %9s %9s %9s\n",
				plural(res.Callers, "caller"), "requests/s", "of the floor", "p50", "p99", "CPU")
		}
		fmt.Fprintf(&b, "%-42s %10s  %s %9s %9s %9s\n",
			res.Title, thousands(res.PerSecond), bar(res), duration(res.P50), duration(res.P99), duration(res.CPU))
	}
	for i := range r.Stores {
		r.Stores[i].print(&b)
	}
	fmt.Fprintf(&b, "\nCPU: processor time of the process in the middle, for one request\n")
	if f := r.Footprint; f != nil {
		fmt.Fprintf(&b, "\n%s idle instances: %.1f KiB each, of which a bare stream is %.1f KiB\n",
			thousands(float64(f.Instances)), float64(f.Instance)/1024, float64(f.Stream)/1024)
		fmt.Fprintf(&b, "ready %.0f ms after the user function (worst %.0f ms), %.0f ms after its own start\n", f.ReadyMedian, f.ReadyWorst, f.Start)
		fmt.Fprintf(&b, "%.1f MiB resident after start, on the embedded store\n", float64(f.Resident)/(1<<20))
	}
	if len(r.Targets) > 0 {
		fmt.Fprintln(&b)
	}
	for _, t := range r.Targets {
		mark, word, bound := "✓", "at least", t.Least
		if t.Most > 0 {
			word, bound = "at most", t.Most
		}
		if !t.Met {
			mark = "✗"
		}
		fmt.Fprintf(&b, "%s %-42s %8s %s, target %s %s\n", mark, t.Name, short(t.Got), t.Unit, word, short(bound))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// print writes what was measured on one database.
func (st *storeResult) print(b *bytes.Buffer) {
	settings := make([]string, 0, len(st.Settings))
	for _, name := range slices.Sorted(maps.Keys(st.Settings)) {
		settings = append(settings, name+" "+st.Settings[name])
	}
	fmt.Fprintf(b, "\n%s: %s\n", st.Title, strings.Join(settings, ", "))
	for _, w := range st.Writes {
		fmt.Fprintf(b, "%-42s %10s  %-24s %9s %9s %9s\n", plural(w.Callers, "caller"), "a second", "of what it is against", "p50", "p99", "CPU")
		line(b, "appends by the driver", w.Append.Against, "")
		line(b, "appends through the store", w.Append.Got, w.Append.bar())
		line(b, "pass-through", w.Pass, "")
		line(b, "store and pass-through in a row", w.Command.Against, "")
		line(b, "event sourced, write, through the proxy", w.Command.Got, w.Command.bar())
	}
	fmt.Fprintf(b, "%-42s %10s\n", "replay of one entity", "events/s")
	line(b, "by the driver", st.Replay.Against, "")
	line(b, "through the store", st.Replay.Got, st.Replay.bar())
}

// line writes one sample; what was not measured is left out.
func line(b *bytes.Buffer, title string, s sample, bar string) {
	fmt.Fprintf(b, "%-42s %10s  %-24s", "  "+title, thousands(s.PerSecond), bar)
	for _, us := range []float64{s.P50, s.P99, s.CPU} {
		if us > 0 {
			fmt.Fprintf(b, " %9s", duration(us))
		} else {
			fmt.Fprintf(b, " %9s", "")
		}
	}
	fmt.Fprintln(b)
}

func (v *versus) bar() string {
	return bar(&result{Ratio: v.Ratio, Lowest: v.Lowest, Highest: v.Highest})
}

// bar draws a ratio and its number; the range of the rounds follows.
func bar(res *result) string {
	if res.Row == floorName {
		return fmt.Sprintf("%-10s %.2f %8s", strings.Repeat("━", 8), 1.0, "")
	}
	const one, most = 8, 10
	n := int(math.Round(res.Ratio * one))
	return fmt.Sprintf("%-10s %.2f %.2f…%.2f", strings.Repeat("━", min(max(n, 1), most)), res.Ratio, res.Lowest, res.Highest)
}

// duration shows microseconds in three digits.
func duration(us float64) string {
	switch {
	case us >= 1e6:
		return fmt.Sprintf("%.2f s", us/1e6)
	case us >= 1e4:
		return fmt.Sprintf("%.1f ms", us/1e3)
	case us >= 1e3:
		return fmt.Sprintf("%.2f ms", us/1e3)
	}
	return fmt.Sprintf("%.0f µs", us)
}

func short(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// thousands groups the digits of a whole number.
func thousands(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
