package pair

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// scene is what a case has at hand.
type scene struct {
	// ctx ends somewhat before the case does, so that the report says what was awaited.
	ctx context.Context
	t   *suite.T
}

// pairCase makes a case; needs are entity types and services of the model.
func pairCase(id, title string, needs, requirements []string, run func(s *scene)) suite.Case {
	return suite.Case{
		ID: id, Title: title, Requirements: requirements, Kind: suite.Pair, Needs: needs,
		Run: func(ctx context.Context, t *suite.T) {
			if deadline, ok := ctx.Deadline(); ok {
				limited, cancel := context.WithTimeout(ctx, time.Until(deadline)*3/4)
				defer cancel()
				ctx = limited
			}
			run(&scene{ctx, t})
		},
	}
}

// replies makes a call that must be answered with want.
func (s *scene) replies(requirement, method string, request, want proto.Message) {
	got := want.ProtoReflect().New().Interface()
	_, err := s.t.Client().Unary(s.ctx, method, request, got, nil)
	s.t.Check(err, suite.Failure{Requirement: requirement, Expected: fmt.Sprintf("the client of %s to get %s", method, trace.Text(want))})
	s.t.Equal(want, got, suite.Failure{Requirement: requirement})
}

// fails makes a call that must fail with a stated failure's default code and this description.
func (s *scene) fails(requirement, method string, request, response proto.Message, text string) {
	_, err := s.t.Client().Unary(s.ctx, method, request, response, nil)
	s.t.Status(err, codes.Unknown, text, suite.Failure{Requirement: requirement})
}

// said waits until the conversation that pick chooses from what was recorded has as many lines as want, and requires that they are
// these.
func (s *scene) said(requirement, what string, pick func([]trace.Message) []string, want ...string) {
	var got []string
	err := s.t.Intercept().Await(s.ctx, what, func(messages []trace.Message) bool {
		got = pick(messages)
		return len(got) >= len(want)
	})
	if err == nil && slices.Equal(got[:len(want)], want) {
		return
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	next := func(lines []string) string {
		if at < len(lines) {
			return lines[at]
		}
		return "nothing more"
	}
	s.t.Fail(suite.Failure{
		Requirement: requirement,
		Expected:    fmt.Sprintf("between proxy and user function, for %s, as line %d: %s", what, at+1, next(want)),
		Got:         fmt.Sprintf("%s\nthe whole: %s", next(got), strings.Join(got, "; ")),
	})
}

// only requires that what pick chooses has no further lines so far; it follows a barrier.
func (s *scene) only(requirement, what string, pick func([]trace.Message) []string, want ...string) {
	s.said(requirement, what, pick, want...)
	got := pick(s.t.Intercept().Messages())
	s.t.Require(len(got) == len(want), suite.Failure{
		Requirement: requirement, Expected: "nothing more between proxy and user function for " + what, Got: strings.Join(got[len(want):], "; "),
	})
}

// entity picks the lines of all streams of one entity, in the order in which they passed.
func entity(service, id string) func([]trace.Message) []string {
	return func(messages []trace.Message) []string {
		mine := map[trace.StreamID]bool{}
		var lines []string
		for _, m := range messages {
			if beginsFor(m, service, id) {
				mine[m.Stream] = true
			}
			if mine[m.Stream] {
				lines = append(lines, line(m))
			}
		}
		return lines
	}
}

// stream picks the lines of the nth stream of one entity, counted from 1: none before it has begun.
func stream(service, id string, nth int) func([]trace.Message) []string {
	return func(messages []trace.Message) []string {
		var found trace.StreamID
		begun := 0
		for _, m := range messages {
			if beginsFor(m, service, id) {
				if begun++; begun == nth {
					found = m.Stream
				}
			}
		}
		if begun < nth {
			return nil
		}
		var lines []string
		for _, m := range messages {
			if m.Stream == found && m.Kind != trace.Open {
				lines = append(lines, line(m))
			}
		}
		return lines
	}
}

// calls picks the lines of the action calls of one command whose recorded messages contain mark.
func calls(service, command, mark string) func([]trace.Message) []string {
	return func(messages []trace.Message) []string {
		named, mine := map[trace.StreamID]bool{}, map[trace.StreamID]bool{}
		for _, m := range messages {
			if commands(m, service, command) {
				named[m.Stream] = true
			}
			if named[m.Stream] && m.Payload != nil && strings.Contains(trace.Text(m.Payload), mark) {
				mine[m.Stream] = true
			}
		}
		var lines []string
		for _, m := range messages {
			if mine[m.Stream] && m.Kind != trace.Open {
				lines = append(lines, line(m))
			}
		}
		return lines
	}
}
