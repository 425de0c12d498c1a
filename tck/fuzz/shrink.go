package fuzz

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
)

// shrinker makes a failure happen again, by less and less.
type shrinker struct {
	rig      *rig
	deadline time.Time
	copies   int // how many times the case is held at the same time
	last     error
	broken   error // why the target cannot be had any more
}

// shrink looks for the least that makes the target fail, in the suspects or else in all that was going on. The error is that the target could
// not be started again.
func shrink(ctx context.Context, r *rig, failed error, suspects, all []Conversation) (Failure, error) {
	s := &shrinker{rig: r, deadline: time.Now().Add(r.config.Shrink), copies: 1}
	if s.broken = r.renew(ctx); s.broken != nil {
		return Failure{Err: failed, Case: Case{Failure: failed.Error(), Conversations: all}}, s.broken
	}
	conversations := suspects
	if !s.confirm(ctx, suspects) {
		if conversations = all; len(all) == len(suspects) || !s.confirm(ctx, all) {
			return Failure{Err: failed, Case: Case{Failure: failed.Error(), Conversations: all}}, s.broken
		}
	}
	for s.broken == nil {
		smaller, found := s.smaller(ctx, conversations)
		if !found {
			break
		}
		conversations = smaller
	}
	return Failure{Err: s.last, Case: Case{Failure: s.last.Error(), Conversations: conversations}, Stable: true}, s.broken
}

// confirm looks whether the suspects fail again: one after the other, or else many at a time.
func (s *shrinker) confirm(ctx context.Context, suspects []Conversation) bool {
	for _, copies := range []int{1, 1, 32, 32} {
		if copies > 1 && slices.ContainsFunc(suspects, s.rig.side.exclusive) {
			break // the copies would disturb each other
		}
		if s.copies = copies; len(suspects) > 0 && s.fails(ctx, suspects) {
			return true
		}
	}
	return false
}

// fails holds the conversations and tells whether the target fails. A target that did is replaced.
func (s *shrinker) fails(ctx context.Context, conversations []Conversation) bool {
	if s.broken != nil {
		return false
	}
	errs := make([]error, s.copies)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = s.rig.hold(ctx, conversations) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			s.last = err
			s.broken = s.rig.renew(ctx)
			return true
		}
	}
	return false
}

// smaller returns a reduction that still fails.
func (s *shrinker) smaller(ctx context.Context, conversations []Conversation) ([]Conversation, bool) {
	for _, candidate := range reductions(conversations) {
		if ctx.Err() != nil || time.Now().After(s.deadline) {
			return nil, false
		}
		if s.fails(ctx, candidate) {
			return candidate, true
		}
	}
	return nil, false
}

// reductions returns what is a little less than the conversations, the greatest reductions first.
func reductions(conversations []Conversation) [][]Conversation {
	var out [][]Conversation
	n := len(conversations)
	for size := n / 2; size > 0; size /= 2 {
		for at := 0; at+size <= n; at += size {
			if size < n {
				out = append(out, without(conversations, at, size))
			}
		}
	}
	if n > 8 {
		return out // first of all fewer conversations
	}
	for i, c := range conversations {
		for _, less := range lessOf(c) {
			candidate := append([]Conversation(nil), conversations...)
			candidate[i] = less
			out = append(out, candidate)
		}
	}
	return out
}

func without[T any](s []T, at, size int) []T {
	return append(append(make([]T, 0, len(s)-size), s[:at]...), s[at+size:]...)
}

// lessOf returns a conversation with one thing less: a step, an answer, a mark, a mutation, a part of a message.
func lessOf(c Conversation) []Conversation {
	var out []Conversation
	for i := range c.Steps {
		less := c.clone()
		less.Steps = without(less.Steps, i, 1)
		out = append(out, less)
	}
	change := func(i int, f func(*Step)) {
		less := c.clone()
		f(&less.Steps[i])
		out = append(out, less)
	}
	for i, step := range c.Steps {
		for j := range step.Answers {
			change(i, func(s *Step) { s.Answers = without(s.Answers, j, 1) })
			if step.Answers[j].Prefix != "" {
				change(i, func(s *Step) { s.Answers[j].Prefix = "" })
			}
		}
		if step.Eager {
			change(i, func(s *Step) { s.Eager = false })
		}
		if step.Cancel {
			change(i, func(s *Step) { s.Cancel = false })
		}
		for _, m := range simpler(step.Send) {
			change(i, func(s *Step) { s.Send = m })
		}
		for j, answer := range step.Answers {
			for _, m := range simpler(answer.Send) {
				change(i, func(s *Step) { s.Answers[j].Send = m })
			}
		}
	}
	return out
}

// simpler returns a message with one mutation less, or without one of its lists and messages.
func simpler(m *Message) []*Message {
	if m == nil {
		return nil
	}
	var out []*Message
	for i := range m.Mutations {
		out = append(out, &Message{Body: m.Body, Mutations: without(m.Mutations, i, 1)})
	}
	for _, place := range sites(m.Body.ProtoReflect(), "", nil) {
		if place.field.Message() == nil {
			continue
		}
		body := proto.Clone(m.Body)
		Mutation{Op: ClearField, Path: place.path}.applyToFields(body.ProtoReflect())
		out = append(out, &Message{Body: body, Mutations: m.Mutations})
	}
	return out
}

// String tells how long a case is.
func (c Case) String() string {
	steps := 0
	for _, conversation := range c.Conversations {
		steps += len(conversation.Steps)
	}
	return fmt.Sprintf("%d conversations of %d steps", len(c.Conversations), steps)
}
