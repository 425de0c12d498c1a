package mockfunction

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
)

// driver plays the clients of a recorded conversation: each command that no forward and no side effect explains is sent to the proxy again, when
// all that was recorded before it has happened. What clients are answered is not recorded on this side of the proxy, and not looked at.
type driver struct {
	conn   *grpc.ClientConn
	replay *replay
	acts   []act
	cancel context.CancelFunc
	calls  sync.WaitGroup
}

// act is one thing that a client does, once everything before the message of that index has happened.
type act struct {
	index int
	do    func(context.Context)
}

func newDriver(proxy string, r *replay) (*driver, error) {
	conn, err := grpc.NewClient("passthrough:///"+proxy, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(wire.Codec{}), grpc.MaxCallRecvMsgSize(DefaultMaxMessageSize)))
	if err != nil {
		return nil, fmt.Errorf("mockfunction: proxy %q: %w", proxy, err)
	}
	d := &driver{conn: conn, replay: r}
	caused := caused(r.calls, r.trace.Messages)
	for _, call := range r.calls {
		if _, ok := firstOf(call).(*action.ActionCommand); ok {
			d.planAction(call, caused)
		} else {
			d.planEntity(call, caused)
		}
	}
	slices.SortStableFunc(d.acts, func(a, b act) int { return a.index - b.index })
	return d, nil
}

// firstOf returns the first message that the proxy sent.
func firstOf(call *match.Call) proto.Message {
	for _, step := range call.Steps {
		if step.Up() && step.Kind == trace.Data {
			return step.Payload
		}
	}
	return nil
}

// consequence is a command that a user function asks for.
type consequence struct{ service, command, payload string }

// caused tells which messages are commands that a forward or a side effect recorded before them asks for.
func caused(calls []*match.Call, messages []trace.Message) map[int]bool {
	found, asked := map[int]bool{}, map[consequence]int{}
	byStream := map[trace.StreamID]*match.Call{}
	for _, call := range calls {
		byStream[call.Stream] = call
	}
	for i, m := range messages {
		forward, effects := match.Consequences(m.Payload)
		if forward != nil {
			asked[consequence{forward.GetServiceName(), forward.GetCommandName(), string(forward.GetPayload().GetValue())}]++
		}
		for _, effect := range effects {
			asked[consequence{effect.GetServiceName(), effect.GetCommandName(), string(effect.GetPayload().GetValue())}]++
		}
		call := byStream[m.Stream]
		if name, payload, ok := command(m.Payload); ok && call != nil {
			if c := (consequence{call.Owner.Service, name, string(payload)}); asked[c] > 0 {
				asked[c]--
				found[i] = true
			}
		}
	}
	return found
}

// command returns name and payload of the command in a message from a proxy.
func command(m proto.Message) (name string, payload []byte, ok bool) {
	switch m := m.(type) {
	case *action.ActionCommand:
		return m.GetName(), m.GetPayload().GetValue(), m.GetName() != ""
	case interface{ GetCommand() *cloudstate.Command }:
		c := m.GetCommand()
		return c.GetName(), c.GetPayload().GetValue(), c != nil
	}
	return "", nil, false
}

func (d *driver) add(index int, do func(context.Context)) { d.acts = append(d.acts, act{index, do}) }

// planEntity adds the calls of the commands to an entity instance. The first one is what makes the proxy open the recorded call.
func (d *driver) planEntity(call *match.Call, caused map[int]bool) {
	first := true
	for _, step := range call.Steps {
		in, ok := step.Payload.(interface{ GetCommand() *cloudstate.Command })
		if !ok || in.GetCommand() == nil {
			continue
		}
		index := step.Index
		if first {
			index, first = call.Steps[0].Index, false
		}
		if caused[step.Index] {
			continue
		}
		c := d.client(call.Owner.Service, in.GetCommand().GetName(), in.GetCommand().GetMetadata())
		d.add(index, func(ctx context.Context) {
			c.begin(ctx)
			c.send(d.payload(in.GetCommand()))
			c.closeSend()
		})
	}
}

// planAction adds the call of an action, in any of its four forms. The client's first message goes out with the call: a proxy may wait for it.
func (d *driver) planAction(call *match.Call, caused map[int]bool) {
	began, sent := call.Steps[0].Index, false
	var c *client
	for _, step := range call.Steps {
		m, ok := step.Payload.(*action.ActionCommand)
		switch {
		case ok && c == nil:
			if caused[step.Index] {
				return
			}
			c = d.client(call.Owner.Service, m.GetName(), m.GetMetadata())
			d.add(began, c.begin)
		case c == nil:
			continue
		}
		switch {
		case ok && match.Single(call.Method):
			d.add(began, func(context.Context) { c.send(d.payload(m)); c.closeSend() })
		case ok && m.GetPayload() != nil:
			index := step.Index
			if !sent {
				index, sent = began, true
			}
			d.add(index, func(context.Context) { c.send(d.payload(m)) })
		case step.Kind == trace.HalfClose && !match.Single(call.Method):
			d.add(step.Index, func(context.Context) { c.closeSend() })
		case step.Kind == trace.Cancel:
			d.add(step.Index, func(context.Context) { c.cancel() })
		}
	}
}

// payload returns the bytes that the client sent, with this conversation's entity ids.
func (d *driver) payload(command proto.Message) []byte {
	translated := d.replay.rules.NewConversation(d.replay.trace.Types).Translate(command)
	if m, ok := translated.(interface{ GetPayload() *anypb.Any }); ok {
		return m.GetPayload().GetValue()
	}
	return nil
}

// begin has the clients act, until ctx is done.
func (d *driver) begin(ctx context.Context) {
	ctx, d.cancel = context.WithCancel(ctx)
	d.calls.Go(func() {
		d.awaitProxy(ctx)
		for _, act := range d.acts {
			for {
				reached, changed := d.replay.reached(act.index)
				if reached {
					break
				}
				select {
				case <-changed:
				case <-ctx.Done():
					return
				}
			}
			act.do(ctx)
		}
	})
}

// awaitProxy asks for a method that nobody serves until the answer is not UNAVAILABLE: then the proxy knows what its user function serves.
func (d *driver) awaitProxy(ctx context.Context) {
	const between = 20 * time.Millisecond
	for {
		err := d.conn.Invoke(ctx, "/cloudstate.mockfunction.Replay/areYouReady", &wire.Frame{}, &wire.Frame{}, grpc.WaitForReady(true))
		if reached, _ := d.replay.reached(d.firstAct()); reached && status.Code(err) != codes.Unavailable {
			return
		}
		select {
		case <-time.After(between):
		case <-ctx.Done():
			return
		}
	}
}

// firstAct is the index of the first thing that a client does.
func (d *driver) firstAct() int {
	if len(d.acts) == 0 {
		return 0
	}
	return d.acts[0].index
}

// close ends all calls and waits for them.
func (d *driver) close() {
	d.cancel()
	d.calls.Wait()
	_ = d.conn.Close() // its calls are over already
}

// client is one call by a client.
type client struct {
	driver *driver
	path   string
	header metadata.MD
	stream grpc.ClientStream
	cancel context.CancelFunc
}

// client prepares the call of a service's command, with the metadata that the recorded client sent.
func (d *driver) client(service, command string, md *cloudstate.Metadata) *client {
	header := metadata.MD{}
	for _, entry := range md.GetEntries() {
		switch {
		case match.OwnHeader(entry.GetKey()):
		case entry.GetBytesValue() != nil:
			header.Append(entry.GetKey(), string(entry.GetBytesValue()))
		default:
			header.Append(entry.GetKey(), entry.GetStringValue())
		}
	}
	return &client{driver: d, path: "/" + service + "/" + command, header: header}
}

// begin opens the call. What it is answered is read and dropped.
func (c *client) begin(ctx context.Context) {
	ctx, c.cancel = context.WithCancel(metadata.NewOutgoingContext(ctx, c.header))
	stream, err := c.driver.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, c.path)
	if err != nil {
		c.cancel()
		return // the user function sees no call, which is told as a difference
	}
	c.stream = stream
	c.driver.calls.Go(func() {
		defer c.cancel()
		for ended := error(nil); ended == nil; {
			ended = stream.RecvMsg(&wire.Frame{})
		}
	})
}

func (c *client) send(payload []byte) {
	if c.stream != nil {
		_ = c.stream.SendMsg(&wire.Frame{Bytes: payload}) // a call that has ended is told as a difference
	}
}

func (c *client) closeSend() {
	if c.stream != nil {
		_ = c.stream.CloseSend() // never fails
	}
}
