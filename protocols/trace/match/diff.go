package match

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// Traces compares two traces and returns how the second differs from the first, in the first one's order, each difference a *trace.Mismatch.
func Traces(first, second *tracefile.Trace, rules Rules) []error {
	var differences []error
	theirs, others := map[Key][]*Call{}, Calls(second.Messages)
	for _, call := range others {
		theirs[call.Key()] = append(theirs[call.Key()], call)
	}
	for _, call := range Calls(first.Messages) {
		key := call.Key()
		if id, mapped := rules.Entities[key.Owner.ID]; mapped {
			key.Owner.ID = id
		}
		if len(theirs[key]) == 0 {
			if key.Repeatable() && theirs[key] != nil {
				continue
			}
			differences = append(differences, &trace.Mismatch{Where: call.Where(), Expected: "the call", Got: "no such call"})
			continue
		}
		differences = append(differences, compareCalls(call, theirs[key][0], rules.NewConversation(first.Types))...)
		theirs[key] = theirs[key][1:]
	}
	for _, call := range others {
		if slices.Contains(theirs[call.Key()], call) && !call.Key().Repeatable() {
			differences = append(differences, &trace.Mismatch{Where: call.Where() + " of the second trace", Expected: "no such call", Got: "the call"})
		}
	}
	return differences
}

// Report writes differences for people: those within a message as its lines, "-" before what was expected and "+" before what came.
func Report(w io.Writer, differences []error) {
	for _, difference := range differences {
		if m := (*trace.Mismatch)(nil); errors.As(difference, &m) && m.Diff != "" {
			fmt.Fprintf(w, "%s: - expected, + got\n%s\n", m.Where, m.Diff)
		} else {
			fmt.Fprintf(w, "%v\n\n", difference)
		}
	}
}

// compareCalls compares what went either way. The order between the two ways depends on who watched, so that it is not compared.
func compareCalls(first, second *Call, conversation *Conversation) []error {
	second.Last = first.Last && second.endsQuietly()
	if !second.Last {
		first.Last = false
	}
	var differences []error
	for _, up := range []bool{true, false} { // commands first: they pair the ids
		way := func(c *Call) []Step {
			return slices.DeleteFunc(c.Body(), func(s Step) bool { return s.Up() != up })
		}
		if err := compareWay(first, second, way(first), way(second), conversation); err != nil {
			differences = append(differences, err)
		}
	}
	return differences
}

// compareWay returns the first difference: what follows one is of no account.
func compareWay(first, second *Call, want, got []Step, conversation *Conversation) error {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			return &trace.Mismatch{Where: first.Where(), Expected: conversation.Describe(want[i]), Got: "nothing more"}
		case i >= len(want):
			return &trace.Mismatch{Where: second.Where() + " of the second trace", Expected: "nothing more", Got: conversation.Describe(got[i])}
		}
		if err := conversation.Step(fmt.Sprintf("%s, messages %d and %d", first.Where(), want[i].Seq, got[i].Seq), want[i], got[i]); err != nil {
			return err
		}
	}
	return nil
}

// Step tells how what came differs from the recorded step, as a *trace.Mismatch; nil if it does not. Only the code counts of a status.
func (c *Conversation) Step(where string, recorded, got Step) error {
	same := recorded.Kind == got.Kind
	switch {
	case same && recorded.Kind == trace.Data && recorded.Payload != nil && got.Payload != nil:
		return c.Compare(where, recorded.Payload, got.Payload)
	case same && recorded.Kind == trace.Data:
		same = bytes.Equal(wireBytes(recorded), wireBytes(got))
	case same && recorded.Kind == trace.Status:
		same = recorded.Code == got.Code
	}
	if same {
		return nil
	}
	return &trace.Mismatch{Where: where, Expected: c.Describe(recorded), Got: c.Describe(got)}
}

// wireBytes returns the bytes of a message: those recorded, or those that its fields make.
func wireBytes(s Step) []byte {
	if s.Payload == nil {
		return s.Raw
	}
	raw, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(s.Payload)
	if err != nil {
		return nil
	}
	return raw
}

// Describe renders a step for a difference.
func (c *Conversation) Describe(s Step) string {
	switch {
	case s.Kind == trace.Data && s.Payload != nil:
		return c.text(s.Payload)
	case s.Kind == trace.Data:
		return s.Body()
	case s.Kind == trace.Status && s.Code == codes.OK:
		return "the end of the call, status OK"
	case s.Kind == trace.Status:
		return fmt.Sprintf("the end of the call, status %s: %s", s.Code, s.Reason)
	}
	return "the " + s.Kind.String()
}

// Complete tells whether the trace holds all that a replay needs to send again.
func Complete(t *tracefile.Trace) error {
	for _, m := range t.Messages {
		if m.Kind == trace.Data && m.Payload == nil && len(m.Raw) < m.Size {
			return fmt.Errorf("message %d is not whole: %d of its %d bytes were recorded; record it again with cloudstate-tck record", m.Seq, len(m.Raw), m.Size)
		}
	}
	return nil
}
