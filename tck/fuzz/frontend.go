package fuzz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
	"github.com/stateful-serverless/cloudstate/tck/suite/frontend"
)

// frontendSide plays the proxy towards a frontend.
type frontendSide struct {
	address  string
	patience time.Duration
	conn     *grpc.ClientConn
}

func dial(address string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(wire.Codec{}), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", address, err)
	}
	return conn, nil
}

func newFrontendSide(address string, patience time.Duration) (*frontendSide, error) {
	conn, err := dial(address)
	if err != nil {
		return nil, err
	}
	return &frontendSide{address: address, patience: patience, conn: conn}, nil
}

func (f *frontendSide) close() { _ = f.conn.Close() }

// exclusive: no conversation with a frontend disturbs another.
func (f *frontendSide) exclusive(Conversation) bool { return false }

// stored: a frontend keeps nothing between streams.
func (f *frontendSide) stored() int64 { return 0 }

// hold holds a conversation and returns what was wrong with it.
func (f *frontendSide) hold(ctx context.Context, c Conversation, entity string) error {
	conn := f.conn
	if disconnects(c) {
		own, err := dial(f.address)
		if err != nil {
			return err
		}
		defer own.Close()
		conn = own
	}
	switch c.Kind {
	case Raw:
		return holdRaw(ctx, f.address, f.patience, c)
	case Discovery:
		return f.holdDiscovery(ctx, conn, c)
	case EventSourced:
		return f.holdEntity(ctx, conn, c, entity, eventsourced.EventSourced_Handle_FullMethodName)
	case ValueEntity:
		return f.holdEntity(ctx, conn, c, entity, valueentity.ValueEntity_Handle_FullMethodName)
	default:
		return f.holdAction(ctx, conn, c, entity)
	}
}

func disconnects(c Conversation) bool {
	for _, step := range c.Steps {
		if step.End == Disconnect {
			return true
		}
	}
	return false
}

// outgoing is a stream to a frontend.
type outgoing struct {
	grpc.ClientStream
	conn   *grpc.ClientConn
	cancel context.CancelFunc
}

// call opens a stream that ends with the bound of all waits.
func (f *frontendSide) call(ctx context.Context, conn *grpc.ClientConn, method string) (*outgoing, error) {
	ctx, cancel := context.WithTimeout(ctx, f.patience)
	desc := grpc.StreamDesc{StreamName: method, ClientStreams: true, ServerStreams: true}
	stream, err := conn.NewStream(ctx, &desc, method)
	if err != nil {
		cancel()
		return nil, broken("", "the frontend takes no call of %s: %v", method, err)
	}
	return &outgoing{ClientStream: stream, conn: conn, cancel: cancel}, nil
}

// send sends a message. An error that is the stream's end shows when it is read.
func (o *outgoing) send(raw []byte) { _ = o.SendMsg(&wire.Frame{Bytes: raw}) }

// receive returns the next message, or the status with which the stream ended.
func (o *outgoing) receive() ([]byte, *status.Status) {
	var frame wire.Frame
	switch err := o.RecvMsg(&frame); {
	case err == nil:
		return frame.Bytes, nil
	case errors.Is(err, io.EOF):
		return nil, status.New(codes.OK, "")
	default:
		return nil, status.Convert(err)
	}
}

// hung tells whether a stream ended only because the bound was over. A run that was cancelled is no hang.
func (o *outgoing) hung() bool { return errors.Is(o.Context().Err(), context.DeadlineExceeded) }

// entityStream is a conversation on an entity's stream as it goes on.
type entityStream struct {
	*outgoing
	oracle  *entityOracle
	pending []expectation
	over    bool // the stream has ended, as it had to or might
}

func (f *frontendSide) holdEntity(ctx context.Context, conn *grpc.ClientConn, c Conversation, entity, method string) error {
	out, err := f.call(ctx, conn, method)
	if err != nil {
		return err
	}
	defer out.cancel()
	s := &entityStream{outgoing: out, oracle: &entityOracle{kind: c.Kind}}
	for _, step := range c.Steps {
		switch {
		case step.End == Reset:
			return nil
		case step.End == Disconnect:
			return conn.Close()
		case step.End == HalfClose:
			return s.finish()
		case step.Send == nil:
			continue
		}
		raw := step.Send.bytesFor(entity)
		s.pending = append(s.pending, s.oracle.next(raw))
		s.send(raw)
		if step.Eager {
			continue
		}
		if err := s.settle(); err != nil || s.over {
			return err
		}
	}
	return s.finish()
}

// settle awaits what is due for all that was sent.
func (s *entityStream) settle() error {
	for i, e := range s.pending {
		var err error
		switch e.due {
		case exactly:
			err = s.exactly(e, i == len(s.pending)-1)
		case failing:
			err = s.failing(e)
		case something:
			err = s.something(e, i == len(s.pending)-1)
		case nothing, open:
		}
		if err != nil || s.over {
			return err
		}
	}
	s.pending = s.pending[:0]
	return nil
}

// exactly awaits the model's answer. A failure that does not ask for a restart leaves the state as it was.
func (s *entityStream) exactly(e expectation, last bool) error {
	raw, end := s.receive()
	if end != nil {
		return s.ended(end, e, trace.Text(e.want))
	}
	got := e.want.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(raw, got); err != nil {
		return broken(e.why, "an answer that cannot be decoded: %v", err)
	}
	if last && s.plainFailure(raw) {
		s.oracle.unsure = false
	}
	want, got := frontend.Normalise(e.want), frontend.Normalise(got)
	tolerate(want, got)
	if err := trace.Compare("the answer", want, got); err != nil {
		return broken(e.why, "%v", err)
	}
	return nil
}

func (s *entityStream) ended(end *status.Status, e expectation, want string) error {
	if s.hung() {
		return broken(e.why, "expected %s, got nothing within the bound", want)
	}
	return broken(e.why, "expected %s, got the end of the stream: %s %s", want, end.Code(), end.Message())
}

// tolerate takes out of both what SPEC.md leaves to the library: whether a failed command restarts or rolls back (ES-32), and whether there is
// a snapshot (ES-26).
func tolerate(want, got proto.Message) {
	wanted, ok := want.(*eventsourced.EventSourcedStreamOut)
	if !ok {
		return
	}
	given, _ := got.(*eventsourced.EventSourcedStreamOut)
	if failure := wanted.GetReply().GetClientAction().GetFailure(); failure != nil {
		failure.Restart = given.GetReply().GetClientAction().GetFailure().GetRestart()
	}
	if wanted.GetReply() != nil && given.GetReply().GetSnapshot() == nil {
		wanted.GetReply().Snapshot = nil
	}
}

// failing awaits that the stream fails: a failure, or a status other than OK, and nothing else.
func (s *entityStream) failing(e expectation) error {
	raw, end := s.receive()
	for end == nil && s.oracle.unsure && !s.isFailure(raw) {
		raw, end = s.receive() // an answer to what SPEC.md leaves open
	}
	s.over = true
	if end == nil {
		if !s.isFailure(raw) {
			return broken(e.why, "expected the stream to fail, got the message %x", raw)
		}
		_ = s.CloseSend() // a stream that is over says so below
		if raw, end = s.receive(); end == nil {
			return broken(e.why, "expected nothing after the failure, got the message %x", raw)
		}
		if s.hung() {
			return broken(e.why, "the stream that failed does not end")
		}
		return nil
	}
	if end.Code() == codes.OK || s.hung() {
		return s.ended(end, e, "the stream to fail")
	}
	return nil
}

func (s *entityStream) isFailure(raw []byte) bool {
	if s.oracle.kind == EventSourced {
		var out eventsourced.EventSourcedStreamOut
		return proto.Unmarshal(raw, &out) == nil && out.GetFailure() != nil
	}
	var out valueentity.ValueEntityStreamOut
	return proto.Unmarshal(raw, &out) == nil && out.GetFailure() != nil
}

// something awaits any message or the end. After a plain failure of the command the state is what it was (ES-32, VE-42).
func (s *entityStream) something(e expectation, last bool) error {
	raw, end := s.receive()
	switch {
	case end != nil && s.hung():
		return s.ended(end, e, "an answer, or the end of the stream")
	case end != nil:
		s.over = true
	case last && s.plainFailure(raw):
		s.oracle.unsure = s.oracle.lost
	}
	return nil
}

func (s *entityStream) plainFailure(raw []byte) bool {
	var action *cloudstate.ClientAction
	if s.oracle.kind == EventSourced {
		var out eventsourced.EventSourcedStreamOut
		_ = proto.Unmarshal(raw, &out) // what cannot be decoded has no failure
		action = out.GetReply().GetClientAction()
	} else {
		var out valueentity.ValueEntityStreamOut
		_ = proto.Unmarshal(raw, &out) // as above
		action = out.GetReply().GetClientAction()
	}
	return action.GetFailure() != nil && !action.GetFailure().GetRestart()
}

// finish half-closes, and awaits what is still due and the end: with status OK (ES-48, VE-59), unless SPEC.md leaves it open,
// as for a stream without any message.
func (s *entityStream) finish() error {
	_ = s.CloseSend() // a stream that is over says so below
	if err := s.settle(); err != nil || s.over {
		return err
	}
	why := s.oracle.why("ES-48", "VE-59")
	for range maxSteps {
		raw, end := s.receive()
		switch {
		case end != nil && s.hung():
			return broken(why, "the half-closed stream does not end")
		case end != nil && end.Code() != codes.OK && !s.oracle.unsure && s.oracle.begun:
			return broken(why, "the half-closed stream ended with %s: %s", end.Code(), end.Message())
		case end != nil:
			return nil
		case !s.oracle.unsure:
			return broken(s.oracle.why("ES-18", "VE-10"), "a message that nothing asked for: %x", raw)
		}
	}
	return broken(why, "more than %d messages that nothing asked for", maxSteps)
}

// holdDiscovery makes the calls of discovery one after the other.
func (f *frontendSide) holdDiscovery(ctx context.Context, conn *grpc.ClientConn, c Conversation) error {
	for _, step := range c.Steps {
		if step.Send == nil {
			continue
		}
		method, why := cloudstate.EntityDiscovery_Discover_FullMethodName, "DISC-05"
		in, answer := proto.Message(&cloudstate.ProxyInfo{}), proto.Message(&cloudstate.EntitySpec{})
		if _, report := step.Send.Body.(*cloudstate.UserFunctionError); report {
			method, why = cloudstate.EntityDiscovery_ReportError_FullMethodName, "DISC-20"
			in, answer = &cloudstate.UserFunctionError{}, &emptypb.Empty{}
		}
		raw := step.Send.bytesFor(placeholder)
		out, err := f.call(ctx, conn, method)
		if err != nil {
			return err
		}
		out.send(raw)
		_ = out.CloseSend() // a call that is over says so below
		got, end := out.receive()
		if end == nil {
			_, end = out.receive()
		}
		hung := out.hung()
		out.cancel()
		switch {
		case hung:
			return broken(why, "%s is not answered within the bound", method)
		case proto.Unmarshal(raw, in) != nil:
		case end.Code() != codes.OK:
			return broken(why, "%s is answered with %s: %s", method, end.Code(), end.Message())
		case proto.Unmarshal(got, answer) != nil:
			return broken(why, "%s is answered with what cannot be decoded", method)
		}
	}
	return nil
}

// frontendWitness is the stream of an entity that nobody disturbs.
type frontendWitness struct {
	side   *frontendSide
	stream *outgoing
	oracle *entityOracle
	id     int64
	end    context.CancelFunc
}

// witness opens such a stream. It is asked until the run is over, so that its bound is that of each question, not of the stream.
func (f *frontendSide) witness(ctx context.Context, entity string) (witness, error) {
	ctx, cancel := context.WithCancel(ctx)
	desc := grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := f.conn.NewStream(ctx, &desc, eventsourced.EventSourced_Handle_FullMethodName)
	if err != nil {
		cancel()
		return nil, broken("", "the frontend takes no call: %v", err)
	}
	w := &frontendWitness{side: f, oracle: &entityOracle{kind: EventSourced}, end: cancel, stream: &outgoing{ClientStream: stream, cancel: cancel}}
	init := &eventsourced.EventSourcedInit{ServiceName: model.EventSourcedService, EntityId: entity}
	w.send(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Init{Init: init}})
	return w, nil
}

func (w *frontendWitness) send(in *eventsourced.EventSourcedStreamIn) expectation {
	raw := mutated(in, nil)
	e := w.oracle.next(raw)
	w.stream.send(raw)
	return e
}

// ask sends a command and awaits its exact answer.
func (w *frontendWitness) ask(context.Context) error {
	w.id++
	request := &esmodel.Request{Id: w.oracle.entity}
	// Now and then one event: the state is told in each answer and must not grow without end.
	if w.id%64 == 1 {
		request.Actions = []*esmodel.RequestAction{{Action: &esmodel.RequestAction_Emit{Emit: &esmodel.Emit{Value: "w"}}}}
	}
	command := &cloudstate.Command{EntityId: w.oracle.entity, Id: w.id, Name: "Process", Payload: pack(request)}
	late := time.AfterFunc(w.side.patience, w.end)
	defer late.Stop()
	e := w.send(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Command{Command: command}})
	s := &entityStream{outgoing: w.stream, oracle: w.oracle}
	if err := s.exactly(e, true); err != nil {
		return fmt.Errorf("an entity beside it: %w", err)
	}
	return nil
}

func (w *frontendWitness) close() { w.end() }
