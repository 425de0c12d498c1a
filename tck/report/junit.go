package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string      `xml:"classname,attr"`
	Name    string      `xml:"name,attr"`
	Time    string      `xml:"time,attr"`
	Failure *junitEvent `xml:"failure,omitempty"`
	Error   *junitEvent `xml:"error,omitempty"`
	Skipped *junitEvent `xml:"skipped,omitempty"`
	Output  string      `xml:"system-out,omitempty"`
}

type junitEvent struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes the cases in the XML that continuous integration servers read, one suite for each kind and area of cases. An announced failure is
// a skipped test there: the server's colour should be the run's. An announced failure that did not happen is a failure.
func JUnit(w io.Writer, r *verdict.Report) error {
	all := junitSuites{Name: "Cloudstate TCK: " + r.Target.Name, Time: seconds(r.DurationMS)}
	index := map[string]int{}
	for _, k := range r.Cases {
		group := string(k.Kind) + "." + firstPart(k.ID)
		i, ok := index[group]
		if !ok {
			i = len(all.Suites)
			index[group] = i
			all.Suites = append(all.Suites, junitSuite{Name: group, Timestamp: r.Started.Format("2006-01-02T15:04:05")})
		}
		all.Suites[i].add(k)
	}
	for i := range all.Suites {
		s := &all.Suites[i]
		var ms int64
		for _, k := range r.Cases {
			if string(k.Kind)+"."+firstPart(k.ID) == s.Name {
				ms += k.DurationMS
			}
		}
		s.Time = seconds(ms)
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(k verdict.Case) {
	c := junitCase{Class: string(k.Kind) + "." + firstPart(k.ID), Name: k.ID, Time: seconds(k.DurationMS), Output: strings.Join(k.Notes, "\n")}
	s.Tests++
	switch {
	case k.Verdict == verdict.Passed && k.Announced != "":
		c.Failure = &junitEvent{Message: "passes, but a failure was announced: " + k.Announced, Type: "announced"}
		s.Failures++
	case k.Verdict == verdict.Passed:
	case k.Verdict.Broken() && k.Announced != "":
		c.Skipped = &junitEvent{Message: "announced failure: " + k.Announced}
		s.Skipped++
	case k.Verdict.Broken():
		c.Failure = &junitEvent{Message: ifFlaky(k) + clip(k.Failure.Error(), 300), Type: k.Failure.Requirement, Text: failureText(k)}
		s.Failures++
	case k.Verdict == verdict.Error:
		c.Error = &junitEvent{Message: clip(k.Reason, 300), Type: "kit", Text: k.Reason}
		s.Errors++
	default:
		c.Skipped = &junitEvent{Message: string(k.Verdict) + ": " + k.Reason}
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// ifFlaky is the beginning of a message on a case that failed now and then.
func ifFlaky(k verdict.Case) string {
	if k.Verdict != verdict.Flaky {
		return ""
	}
	failed := 0
	for _, a := range k.Attempts {
		if a.Verdict == verdict.Failed {
			failed++
		}
	}
	return fmt.Sprintf("flaky, failed in %d of %d runs: ", failed, len(k.Attempts))
}

func failureText(k verdict.Case) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nrequirement: %s\nexpected: %s\ngot: %s\n", k.Title, k.Failure.Requirement, k.Failure.Expected, k.Failure.Got)
	if k.Failure.Remedy != "" {
		fmt.Fprintf(&b, "to do: %s\n", k.Failure.Remedy)
	}
	for _, m := range k.Trace {
		b.WriteString(WireLine(m) + "\n")
	}
	return b.String()
}

func firstPart(id string) string {
	first, _, _ := strings.Cut(id, "/")
	return first
}

func seconds(ms int64) string { return fmt.Sprintf("%d.%03d", ms/1000, ms%1000) }
