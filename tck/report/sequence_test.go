package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

func TestSequence(t *testing.T) {
	r, _ := sample(t)
	c := r.Cases[1]
	c.Trace[2].AtMS = 3500
	s := draw(c.Trace, c.Failure)
	var names []string
	for _, l := range s.Lifelines {
		names = append(names, l.Name)
	}
	if !slices.Equal(names, []string{"client", "proxy", "frontend"}) {
		t.Errorf("lifelines %v", names)
	}
	open, command, status := s.Steps[0], s.Steps[1], s.Steps[2]
	if open.From != s.Lifelines[0].X || open.To != s.Lifelines[1].X || open.Kind != "open" || open.Call != "EventSourcedTckModel/Process #1" {
		t.Errorf("the client's call: %+v", open)
	}
	if command.From != s.Lifelines[1].X || command.To != s.Lifelines[2].X || command.Kind != "" || command.Body[0].Text != `{command: {entity_id: "<b>e-1</b>", id: 1, name: "Process"}}` {
		t.Errorf("the proxy's command: %+v", command)
	}
	if status.From <= status.To || !strings.Contains(status.Class, "k-bad") || strings.Contains(open.Class, "k-bad") {
		t.Errorf("the status, which is no OK: %+v", status)
	}
	if command.Pause != "" || status.Pause != "3.5 s of silence" {
		t.Errorf("pauses %q and %q", command.Pause, status.Pause)
	}
	if open.Class[:3] == command.Class[:3] || open.Class[:3] != status.Class[:3] {
		t.Errorf("calls are told apart by colour: %s, %s, %s", open.Class, command.Class, status.Class)
	}
	if s.End == nil || !strings.Contains(s.End.Lines[0].Text, "ES-20  expected  the event <one>") {
		t.Errorf("the end: %+v", s.End)
	}
	if two := draw(c.Trace[:1], nil); len(two.Lifelines) != 2 || two.End != nil {
		t.Errorf("a passed case without a frontend: %+v", two)
	}
}

// Whatever was recorded, nothing lies on top of something else or outside of the drawing.
func TestSequenceStaysInItsFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		party := rapid.SampledFrom([]string{"client", "proxy", "frontend"})
		messages := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) verdict.Message {
			return verdict.Message{
				AtMS: rapid.Float64Range(0, 1e6).Draw(t, "at"), From: party.Draw(t, "from"), To: party.Draw(t, "to"),
				Stream: rapid.Uint64Range(0, 20).Draw(t, "stream"), Method: rapid.String().Draw(t, "method"),
				Kind: rapid.SampledFrom([]string{"open", "message", "half-close", "status", "cancel"}).Draw(t, "kind"), Body: rapid.String().Draw(t, "body"),
			}
		}), 1, 20).Draw(t, "messages")
		var failure *suite.Failure
		if rapid.Bool().Draw(t, "failed") {
			failure = &suite.Failure{Requirement: "ES-20", Expected: rapid.String().Draw(t, "expected"), Got: rapid.String().Draw(t, "got")}
		}
		s := draw(messages, failure)
		bottom := 0
		for _, step := range s.Steps {
			if step.Label <= bottom || step.Y <= step.Label {
				t.Fatalf("a step at %d and %d, below one that ends at %d", step.Label, step.Y, bottom)
			}
			if bottom = step.Y; len(step.Body) > bodyLines {
				t.Fatalf("%d lines", len(step.Body))
			}
			right := max(step.From, step.To)
			for _, line := range step.Body {
				if line.Y <= bottom {
					t.Fatalf("a line at %d, on what is at %d", line.Y, bottom)
				}
				bottom = line.Y
				if step.From != step.To && step.BodyX+int(charWidth*float64(utf8.RuneCountInString(line.Text))) > right {
					t.Fatalf("%q runs over the lifeline", line.Text)
				}
			}
		}
		if s.End != nil {
			if s.End.Y <= bottom {
				t.Fatalf("the end at %d, on what is at %d", s.End.Y, bottom)
			}
			bottom = s.End.Y + s.End.Height
		}
		if bottom >= s.Height {
			t.Fatalf("%d is outside of a height of %d", bottom, s.Height)
		}
	})
}

// The diagrams are XML: one that is not would be drawn by no browser that reads the page as such.
func TestDiagramsAreWellFormed(t *testing.T) {
	r, _ := sample(t)
	r.Cases[1].Trace[1].Body += "]]>\x00\"'&"
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	found := 0
	for rest := b.String(); ; found++ {
		_, after, more := strings.Cut(rest, "<svg ")
		if !more {
			break
		}
		svg, left, _ := strings.Cut(after, "</svg>")
		rest = left
		decoder := xml.NewDecoder(strings.NewReader("<svg " + svg + "</svg>"))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in <svg %s", err, svg)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d drawings for one case with a conversation, want its lifelines' names and its messages", found)
	}
}
