package fuzz

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// callHeader tells the function which conversation a call of an action belongs to: an action has no key.
const callHeader = "fuzz-call"

// actionRun is a call of an action that a conversation is about.
type actionRun struct {
	kind  Kind
	steps []Step
	sent  [][]byte
	done  chan struct{} // closed when the user function is done with the call

	mu        sync.Mutex
	begun     bool
	wrong     error
	responses int
	replies   [][]byte
	decided   bool
	final     outcome
}

// fault keeps the first thing that is wrong.
func (run *actionRun) fault(err error) {
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.wrong == nil {
		run.wrong = err
	}
}

// garbled takes a response whose five bytes lie.
func (run *actionRun) garbled(prefix string) {
	run.mu.Lock()
	defer run.mu.Unlock()
	second := !streamsOut(run.kind) && run.responses > 0
	if !run.decided || second {
		run.decided, run.final = true, outcome{fails: true, anything: second || prefix == "shorter", why: "ACT-25"}
	}
}

// answered takes one response of the user function.
func (run *actionRun) answered(raw []byte) {
	run.mu.Lock()
	defer run.mu.Unlock()
	if run.responses++; run.responses > 1 && !streamsOut(run.kind) {
		// A library may or may not look for a second response to a call that has one.
		run.decided, run.final = true, outcome{anything: true}
	}
	if run.decided {
		return
	}
	var response action.ActionResponse
	err := proto.Unmarshal(raw, &response)
	switch {
	case len(raw) > lim19:
		run.decided, run.final = true, outcome{fails: len(raw) > lim01, anything: len(raw) <= lim01, why: "LIM-01"}
	case err != nil && strings.Contains(err.Error(), "UTF-8"):
		// A parser may or may not look at the text.
		run.decided, run.final = true, outcome{anything: true}
	case err != nil:
		run.decided, run.final = true, refused("ACT-33", codes.Unknown, "Unexpected action response")
	case !streamsOut(run.kind):
		run.final = run.outcomeOf(&response)
	default:
		run.streamed(&response)
	}
}

func (run *actionRun) outcomeOf(response *action.ActionResponse) outcome {
	switch {
	case response.GetFailure() != nil:
		return stated(response.GetFailure())
	case response.GetForward() != nil:
		return forwarded(run.kind, response.GetForward())
	default:
		return reply(run.kind, response.GetReply())
	}
}

// streamed takes one of many responses: a reply goes on, anything else but nothing ends the call.
func (run *actionRun) streamed(response *action.ActionResponse) {
	if response.GetFailure() == nil && response.GetForward() == nil && response.GetReply().GetPayload() == nil {
		return // SERV-12
	}
	o := run.outcomeOf(response)
	if len(o.oneOf) == 1 && o.oneOf[0].code == codes.OK {
		run.replies = append(run.replies, o.oneOf[0].payload)
		return
	}
	run.decided, run.final = true, o
}

// ended takes the end of the call by the user function.
func (run *actionRun) ended(how End) {
	run.mu.Lock()
	defer run.mu.Unlock()
	broke := how == Failed || how == Reset || how == Disconnect
	switch {
	case broke && !streamsOut(run.kind) && run.responses > 0:
		// A library tells of the response or of how the call ended, whichever it looks at first; one that must be refused stays so.
		run.final = outcome{fails: run.decided && !run.final.anything, anything: !run.decided || run.final.anything, why: "ACT-25 ACT-33"}
	case run.decided:
	case how == Failed:
		run.final = refused("ACT-25", codes.FailedPrecondition, "fuzz")
	case broke:
		run.final = outcome{fails: true, why: "ACT-25"}
	case streamsOut(run.kind):
		run.final = replied(nil)
	case run.responses == 0:
		run.final = outcome{fails: true, why: "SERV-31"}
	}
	run.decided = true
}

// serveAction serves a call of an action.
func (f *function) serveAction(s *inward, method string) {
	raw, err := s.read()
	if err != nil {
		s.over(err)
		return
	}
	var header action.ActionCommand
	_ = proto.Unmarshal(raw, &header) // what cannot be read belongs to nobody
	f.mu.Lock()
	run := f.calls[callOf(header.GetMetadata())]
	f.mu.Unlock()
	if run == nil || calls[run.kind].method != method {
		answer := &action.ActionResponse{Response: &action.ActionResponse_Reply{Reply: &cloudstate.Reply{Payload: pack(&actionmodel.Response{})}}}
		s.write(mutated(answer, nil), "")
		s.end(OK)
		return
	}
	run.mu.Lock()
	twice := run.begun
	run.begun = true
	run.mu.Unlock()
	if twice {
		run.fault(broken("ACT-02 SERV-19", "the proxy made two calls for one"))
		return
	}
	defer close(run.done)
	if !streamsIn(run.kind) {
		if run.command(s, 0, &header) {
			run.ended(OK)
			s.end(OK)
		}
		return
	}
	if header.GetPayload() != nil {
		run.fault(broken("ACT-04", "the first command of a streamed call has a payload"))
	}
	for i := 0; ; i++ {
		raw, err := s.read()
		if err != nil {
			if errors.Is(err, io.EOF) {
				run.ended(OK)
				s.end(OK)
			}
			return
		}
		var command action.ActionCommand
		_ = proto.Unmarshal(raw, &command) // its payload will not be the one that was sent
		if !run.command(s, i, &command) {
			return
		}
	}
}

func callOf(m *cloudstate.Metadata) string {
	for _, entry := range m.GetEntries() {
		if entry.GetKey() == callHeader {
			return entry.GetStringValue()
		}
	}
	return ""
}

// command checks the payload of message number i and answers as the step says; false when the call is over.
func (run *actionRun) command(s *inward, i int, command *action.ActionCommand) bool {
	if i >= len(run.sent) || !bytes.Equal(run.sent[i], command.GetPayload().GetValue()) {
		run.fault(broken("SERV-07 ACT-29", "message %d of the call is not what the client sent", i+1))
		return true
	}
	for _, a := range run.steps[i].Answers {
		switch {
		case a.End != "":
			run.ended(a.End)
			s.end(a.End)
			return false
		case a.Send == nil:
		case a.Prefix != "":
			run.garbled(a.Prefix)
			s.write(mutated(a.Send.Body, a.Send.Mutations), a.Prefix)
			s.end(OK)
			return false
		default:
			raw := mutated(a.Send.Body, a.Send.Mutations)
			run.answered(raw)
			s.write(raw, "")
		}
	}
	return true
}

func (p *proxySide) holdAction(ctx context.Context, c Conversation, entity string) error {
	run := &actionRun{kind: c.Kind, done: make(chan struct{})}
	for _, step := range c.Steps {
		if step.Send != nil && (streamsIn(c.Kind) || len(run.sent) == 0) {
			run.steps = append(run.steps, step)
			run.sent = append(run.sent, step.Send.bytesFor(entity))
		}
	}
	if len(run.sent) == 0 && !streamsIn(c.Kind) {
		return nil
	}
	f := p.function
	f.mu.Lock()
	f.calls[entity] = run
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.calls, entity)
	}()
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	size := 0
	for _, raw := range run.sent {
		size = max(size, len(raw))
	}
	got, err := p.callAction(metadata.AppendToOutgoingContext(ctx, callHeader, entity), run)
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return broken("LIM-22 ACT-08", "the client's call does not end within the bound")
	}
	if size > lim19 {
		return nil // LIM-02: what the proxy makes of it is checked by what goes on beside it
	}
	select {
	case <-run.done:
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return broken("ACT-19", "the client's call has ended (%v), the one to the user function has not", err)
		}
		return ctx.Err()
	}
	return run.judge(got, err)
}

// callAction makes the client's call and returns all that it got.
func (p *proxySide) callAction(ctx context.Context, run *actionRun) (got [][]byte, err error) {
	desc := grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := p.conn.NewStream(ctx, &desc, "/"+model.ActionService+"/"+calls[run.kind].name)
	if err != nil {
		return nil, err
	}
	for _, raw := range run.sent {
		if stream.SendMsg(&wire.Frame{Bytes: raw}) != nil {
			break // the call has ended, as is read below
		}
	}
	_ = stream.CloseSend() // as above
	for {
		var frame wire.Frame
		if err := stream.RecvMsg(&frame); err != nil {
			if errors.Is(err, io.EOF) {
				return got, nil
			}
			return got, err
		}
		got = append(got, frame.Bytes)
	}
}

func (run *actionRun) judge(got [][]byte, err error) error {
	run.mu.Lock()
	defer run.mu.Unlock()
	switch st := status.Convert(err); {
	case run.wrong != nil:
		return run.wrong
	case run.final.anything:
		return nil
	case !streamsOut(run.kind):
		if len(got) > 1 || st.Code() == codes.OK && len(got) != 1 {
			return broken("ACT-01", "a call with one response got %d and %s", len(got), st.Code())
		}
		return run.final.check(bytes.Join(got, nil), err)
	case run.final.fails && st.Code() != codes.OK && len(got) <= len(run.replies):
		return nil
	case len(got) != len(run.replies):
		return broken("ACT-08 ACT-29 SERV-12", "expected %d replies, got %d and %s %s", len(run.replies), len(got), st.Code(), st.Message())
	}
	for i, want := range run.replies {
		if !bytes.Equal(want, got[i]) {
			return broken("SERV-08 ACT-29", "reply %d is %s, want %s", i+1, hexOf(got[i]), hexOf(want))
		}
	}
	return run.final.check(nil, err)
}
