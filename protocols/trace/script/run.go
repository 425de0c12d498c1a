package script

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// Call is one call in a script's hands.
type Call interface {
	// Where names it for people.
	Where() string
	Send(m proto.Message) error
	SendRaw(raw []byte) error
	// Next waits for what the peer does next; the error is a *trace.Mismatch if it does nothing in time.
	Next(ctx context.Context, want string) (match.Step, error)
	// Close says that nothing more will be sent: a proxy half-closes, a function ends the call with status OK.
	Close() error
	// Fail ends the call with a status (function); Cancel gives it up (proxy).
	Fail(code codes.Code, message string)
	Cancel()
}

// Side makes the calls of a script: a proxy opens them, a function waits for them.
type Side interface {
	Open(ctx context.Context, o Opening) (Call, error)
}

// Runner runs steps, one after the other. It is not safe for concurrent use.
type Runner struct {
	as    Party
	side  Side
	types *tracefile.Types
	calls map[string]*running
	last  *running
}

// running is a call between its steps.
type running struct {
	call    Call
	method  string
	sent    proto.Message // the last one
	command int64         // id of the last command, whoever sent it
}

// NewRunner returns a runner for that side. Payloads are of the types, which may learn meanwhile.
func NewRunner(as Party, side Side, types *tracefile.Types) *Runner {
	return &Runner{as: as, side: side, types: types, calls: map[string]*running{}}
}

// Run runs the whole script and gives up the calls that it leaves open. The error names the step.
func (s *Script) Run(ctx context.Context, side Side, types *tracefile.Types) error {
	r := NewRunner(s.As, side, types)
	defer r.Abandon()
	for _, step := range s.Steps {
		if err := r.Do(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// Abandon gives up the calls that are open.
func (r *Runner) Abandon() {
	for _, c := range r.calls {
		if r.as == Proxy {
			c.call.Cancel()
		} else {
			c.call.Fail(codes.Canceled, "the script is over")
		}
	}
}

// Do runs one step.
func (r *Runner) Do(ctx context.Context, step Step) error {
	if step.Within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, step.Within)
		defer cancel()
	}
	if err := r.do(ctx, step); err != nil {
		return fmt.Errorf("%s: %s: %w", step.at, step.Verb, err)
	}
	return nil
}

func (r *Runner) do(ctx context.Context, step Step) error {
	switch step.Verb {
	case "open":
		return r.open(ctx, step)
	case "delay":
		d, err := duration(step.value)
		if err != nil {
			return err
		}
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c := r.last
	if step.On != "" {
		c = r.calls[step.On]
	}
	if c == nil {
		return errors.New("no such call is open: a step with open comes first")
	}
	switch step.Verb {
	case "send":
		return r.send(c, step.value)
	case "expect":
		return r.expect(ctx, c, step.value)
	case "expect-end":
		return expectEnd(ctx, c, step.value)
	case "close":
		return c.call.Close()
	case "cancel":
		c.call.Cancel()
	case "status":
		code, message, err := stated(step.value)
		if err != nil {
			return err
		}
		c.call.Fail(code, message)
	case "break":
		return r.breakProtocol(ctx, c, fmt.Sprint(step.value))
	}
	return nil
}

func (r *Runner) open(ctx context.Context, step Step) error {
	o, err := opening(step.value)
	if err != nil {
		return err
	}
	call, err := r.side.Open(ctx, o)
	if err != nil {
		return err
	}
	name := o.as
	if name == "" {
		name = "call " + strconv.Itoa(len(r.calls)+1)
	}
	if r.calls[name] != nil {
		return fmt.Errorf("a call %s is there already", name)
	}
	r.last = &running{call: call, method: o.Method}
	r.calls[name] = r.last
	return nil
}

func (r *Runner) send(c *running, value any) error {
	text, err := json.Marshal(filled(value, c.command))
	if err != nil {
		return err
	}
	m := r.types.NewMessage(c.method, r.as == Function)
	if err := r.types.FromJSON(text, m); err != nil {
		return err
	}
	c.note(m)
	c.sent = m
	return c.call.Send(m)
}

// note remembers the command in m, if there is one.
func (c *running) note(m proto.Message) {
	if in, ok := m.(interface{ GetCommand() *cloudstate.Command }); ok && in.GetCommand() != nil {
		c.command = in.GetCommand().GetId()
	}
}

// breakProtocol does what no peer should do.
func (r *Runner) breakProtocol(ctx context.Context, c *running, way string) error {
	switch way {
	case garbage:
		return c.call.SendRaw([]byte{0xff, 0xff, 0xff, 0xff})
	case silence:
		for {
			got, err := c.call.Next(ctx, "the peer to end the call")
			if err != nil {
				return err
			}
			if got.Kind != trace.Data {
				return nil
			}
		}
	case withoutCommand:
		c.command++
		return r.reply(c, c.command)
	case wrongCommandID:
		return r.reply(c, c.command+1000)
	}
	if c.sent == nil {
		return fmt.Errorf("%s is of the message before: send one first", way)
	}
	raw, err := proto.Marshal(c.sent)
	if err != nil {
		return err
	}
	if way == halfMessage {
		raw = raw[:len(raw)/2]
	}
	return c.call.SendRaw(raw)
}

// reply sends the last reply, or an empty one, for the command of that id.
func (r *Runner) reply(c *running, id int64) error {
	answer := r.types.NewMessage(c.method, true)
	if c.sent != nil {
		answer = proto.Clone(c.sent)
	}
	switch m := answer.(type) {
	case *eventsourced.EventSourcedStreamOut:
		reply := m.GetReply()
		if reply == nil {
			reply = &eventsourced.EventSourcedReply{}
		}
		reply.CommandId = id
		m.Message = &eventsourced.EventSourcedStreamOut_Reply{Reply: reply}
	case *valueentity.ValueEntityStreamOut:
		reply := m.GetReply()
		if reply == nil {
			reply = &valueentity.ValueEntityReply{}
		}
		reply.CommandId = id
		m.Message = &valueentity.ValueEntityStreamOut_Reply{Reply: reply}
	default:
		return errors.New("only calls of entities have command ids")
	}
	return c.call.Send(answer)
}
