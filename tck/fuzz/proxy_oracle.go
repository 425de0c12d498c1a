package fuzz

import (
	"bytes"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// outcome is what a client may get: one of several, or anything.
type outcome struct {
	anything bool
	// fails is any status but OK.
	fails bool
	oneOf []answer
	why   string // requirement ids
}

// answer is a reply with these bytes, or a status.
type answer struct {
	code    codes.Code
	payload []byte
	message string // of the status; "" is any
}

func replied(payload []byte) outcome {
	return outcome{oneOf: []answer{{code: codes.OK, payload: payload}}, why: "SERV-08"}
}

func refused(why string, code codes.Code, message string) outcome {
	return outcome{oneOf: []answer{{code: code, message: message}}, why: why}
}

// fate is what must become of an entity's stream.
type fate int

const (
	// alive: it goes on.
	alive fate = iota
	// ended: the proxy ends it.
	ended
	// unclear: SPEC.md leaves it open, or the user function has ended it.
	unclear
)

// proxyOracle knows what a proxy must make of what the user function of one entity answers: for the client, for the stream, and for what
// the proxy hands back later.
type proxyOracle struct {
	kind      Kind
	events    []*anypb.Any
	snapshots map[int64]*anypb.Any // by the number of events that they cover
	value     *anypb.Any
	written   int64 // bytes that the proxy was given to keep
	unsure    bool  // what the proxy keeps is not known any more
}

// exchange is one command and what has come of it.
type exchange struct {
	id      int64
	decided bool
	outcome outcome
	fate    fate
}

func (x *exchange) decide(o outcome) {
	if !x.decided {
		x.decided, x.outcome = true, o
	}
}

// violation is a message that no user function may send: it ends the stream, and the command if that has no outcome.
func (x *exchange) violation(why, text string) {
	x.decide(refused(why, codes.Unknown, text))
	x.fate = ended
}

// text picks the fixed text of the oracle's kind.
func (o *proxyOracle) text(es, ve string) string {
	if o.kind == EventSourced {
		return es
	}
	return ve
}

// stateAction is what a reply changes, in the terms of both kinds.
type stateAction struct {
	malformed bool // ES-23, VE-26
	present   bool
	apply     func()
}

// answered takes one message of the user function.
func (o *proxyOracle) answered(x *exchange, raw []byte) {
	if x.fate != alive {
		return // ES-62, VE-51
	}
	if len(raw) > lim19 {
		o.large(x, len(raw))
		return
	}
	id, action, state, kind, err := o.read(raw)
	if err != nil && strings.Contains(err.Error(), "UTF-8") {
		// A parser may or may not look at the text.
		x.decide(outcome{anything: true})
		x.fate, o.unsure = unclear, true
		return
	}
	switch {
	case kind == aFailure:
		x.violation(o.text("ES-37 ES-38", "VE-44"), o.text("Unexpected entity failure", "Unexpected Value entity failure"))
	case err != nil || kind == aNothing:
		x.violation(o.text("ES-56", "VE-46"), o.text("Unexpected entity message", "Unexpected Value entity failure"))
	case x.decided || id != x.id:
		x.violation(o.text("ES-39", "VE-21"), o.text("Unexpected entity reply", "Unexpected Value entity reply"))
	default:
		o.replied(x, action, state)
	}
}

func (o *proxyOracle) replied(x *exchange, action *cloudstate.ClientAction, state stateAction) {
	failure := action.GetFailure()
	unexpected := answer{code: codes.Unknown, message: o.text("Unexpected entity reply", "Unexpected Value entity reply")}
	switch {
	case failure != nil:
		wanted := stated(failure)
		if state.malformed {
			// Both rules hold of it: nothing is stored, and the stream does not go on.
			wanted.oneOf = append(wanted.oneOf, unexpected)
		}
		if failure.GetRestart() || state.present {
			x.fate = ended
		}
		x.decide(wanted)
	case state.malformed:
		x.violation(o.text("ES-23", "VE-26"), unexpected.message)
	default:
		if state.apply != nil {
			state.apply()
		}
		x.decide(o.client(action))
	}
}

// stated is the status of a failure that the user function states.
func stated(failure *cloudstate.Failure) outcome {
	code := codes.Unknown
	if n := failure.GetGrpcStatusCode(); n >= 1 && n <= 16 {
		code = codes.Code(n)
	}
	return refused("SERV-10 SERV-33 SERV-34 SERV-35", code, failure.GetDescription())
}

// client is what a client gets for a reply, a forward or neither.
func (o *proxyOracle) client(action *cloudstate.ClientAction) outcome {
	if forward := action.GetForward(); forward != nil {
		return forwarded(o.kind, forward)
	}
	return reply(o.kind, action.GetReply())
}

// output is the end of the type URL that the model of a kind replies with.
func output(kind Kind) string {
	switch kind {
	case EventSourced:
		return "/cloudstate.tck.model.Response"
	case ValueEntity:
		return "/cloudstate.tck.model.valueentity.Response"
	default:
		return "/cloudstate.tck.model.action.Response"
	}
}

func reply(kind Kind, reply *cloudstate.Reply) outcome {
	switch {
	case reply.GetPayload() == nil:
		return refused("SERV-31 ACT-22", codes.Internal, "")
	case !strings.HasSuffix(reply.GetPayload().GetTypeUrl(), output(kind)):
		return refused("SERV-09", codes.Internal, "")
	default:
		return replied(reply.GetPayload().GetValue())
	}
}

// methods are those that the fuzzer's user function serves.
var methods = map[string][]string{
	model.EventSourcedService: {"Process"}, model.EventSourcedTwo: {"Call"}, model.EventSourcedConfigured: {"Call"},
	model.ValueEntityService: {"Process"}, model.ValueEntityTwo: {"Call"}, model.ValueEntityConfigured: {"Call"},
	model.ActionService: {"ProcessUnary", "ProcessStreamedIn", "ProcessStreamedOut", "ProcessStreamed"}, model.ActionTwo: {"Call"},
}

// forwarded is what a client gets for a forward. The second services answer with an empty message.
func forwarded(kind Kind, forward *cloudstate.Forward) outcome {
	if !slices.Contains(methods[forward.GetServiceName()], forward.GetCommandName()) {
		return refused("FWD-08", codes.Internal, "")
	}
	two, request := model.ActionTwo, proto.Message(&actionmodel.OtherRequest{})
	id := func() string { return "any" }
	switch kind {
	case EventSourced:
		r := &esmodel.Request{}
		two, request, id = model.EventSourcedTwo, r, r.GetId
	case ValueEntity:
		r := &vemodel.Request{}
		two, request, id = model.ValueEntityTwo, r, r.GetId
	default: // actions, which have no key
	}
	if forward.GetServiceName() != two || !decodes(forward.GetPayload(), request) || id() == "" || len(id()) > 1024 {
		return outcome{anything: true}
	}
	wanted := replied(nil)
	wanted.why = "FWD-01"
	return wanted
}

// ended takes the end of the stream by the user function.
func (o *proxyOracle) ended(x *exchange) {
	if x.fate != alive {
		return
	}
	x.decide(refused(o.text("ES-40", "VE-45"), codes.Unknown, o.text("Unexpected entity termination", "Unexpected Value entity termination")))
	x.fate = unclear
}

// lim19 and lim01 are the sizes that every proxy takes and that none does, in bytes (LIM-19, LIM-01).
const (
	lim19 = 4<<20 - 64<<10
	lim01 = 64 << 20
)

// large takes a message of a size that a proxy may or must refuse.
func (o *proxyOracle) large(x *exchange, size int) {
	if size > lim01 {
		x.decide(outcome{fails: true, why: "LIM-01"})
	} else {
		x.decide(outcome{anything: true})
		o.unsure = true
	}
	x.fate = unclear
}

// garbled takes a message whose five bytes lie. One that is never whole changes nothing.
func (o *proxyOracle) garbled(x *exchange, prefix string) {
	if x.fate != alive {
		return
	}
	if prefix == "shorter" {
		x.decide(outcome{anything: true})
		o.unsure = true
	} else {
		x.decide(outcome{fails: true, why: o.text("ES-40", "VE-45")})
	}
	x.fate = unclear
}

// messageKind is what is set in a message of a user function.
type messageKind int

const (
	aNothing messageKind = iota
	aReply
	aFailure
)

func (o *proxyOracle) read(raw []byte) (id int64, action *cloudstate.ClientAction, state stateAction, kind messageKind, err error) {
	if o.kind == EventSourced {
		var out eventsourced.EventSourcedStreamOut
		if err := proto.Unmarshal(raw, &out); err != nil {
			return 0, nil, state, aNothing, err
		}
		r := out.GetReply()
		return r.GetCommandId(), r.GetClientAction(), o.eventSourced(r), kindOf(r != nil, out.GetFailure() != nil), nil
	}
	var out valueentity.ValueEntityStreamOut
	if err := proto.Unmarshal(raw, &out); err != nil {
		return 0, nil, state, aNothing, err
	}
	r := out.GetReply()
	return r.GetCommandId(), r.GetClientAction(), o.valueEntity(r), kindOf(r != nil, out.GetFailure() != nil), nil
}

func kindOf(reply, failure bool) messageKind {
	switch {
	case reply:
		return aReply
	case failure:
		return aFailure
	default:
		return aNothing
	}
}

func (o *proxyOracle) eventSourced(r *eventsourced.EventSourcedReply) stateAction {
	return stateAction{
		malformed: r.GetSnapshot() != nil && len(r.GetEvents()) == 0,
		present:   r.GetSnapshot() != nil || len(r.GetEvents()) > 0,
		apply: func() {
			for _, event := range r.GetEvents() {
				o.events = append(o.events, event)
				o.written += int64(proto.Size(event)) + 64
			}
			if r.GetSnapshot() != nil {
				o.snapshots[int64(len(o.events))] = r.GetSnapshot()
				o.written += int64(proto.Size(r.GetSnapshot())) + 64
			}
		},
	}
}

func (o *proxyOracle) valueEntity(r *valueentity.ValueEntityReply) stateAction {
	action := r.GetStateAction()
	if action == nil {
		return stateAction{}
	}
	update := action.GetUpdate()
	return stateAction{
		malformed: action.GetDelete() == nil && update.GetValue() == nil,
		present:   true,
		apply: func() {
			o.value = update.GetValue()
			o.written += int64(proto.Size(update)) + 64
		},
	}
}

// check holds what a client got against what it may get. got is nil with any status but OK.
func (w outcome) check(got []byte, end error) error {
	st := status.Convert(end)
	if w.anything || w.fails && st.Code() != codes.OK {
		return nil
	}
	for _, a := range w.oneOf {
		if st.Code() != a.code {
			continue
		}
		if a.code == codes.OK && bytes.Equal(got, a.payload) || a.code != codes.OK && (a.message == "" || st.Message() == a.message) {
			return nil
		}
	}
	var texts []string
	for _, a := range w.oneOf {
		texts = append(texts, describe(a.code, a.message, a.payload))
	}
	if w.fails {
		texts = append(texts, "a status other than OK")
	}
	return broken(w.why, "expected the client to get %s; it got %s", strings.Join(texts, " or "), describe(st.Code(), st.Message(), got))
}

func describe(code codes.Code, message string, payload []byte) string {
	if code == codes.OK {
		return "the reply " + strings.TrimSpace(strings.ToValidUTF8(string(payload), "?")) + " (" + hexOf(payload) + ")"
	}
	return code.String() + " " + message
}

// snapshotted holds what a new stream of an event sourced entity begins with against what is stored, replayed each event after it.
func (o *proxyOracle) snapshotted(snapshot *eventsourced.EventSourcedSnapshot) error {
	switch want := o.snapshots[snapshot.GetSnapshotSequence()]; {
	case o.unsure || snapshot == nil:
		return nil
	case want == nil:
		return broken("ES-05 ES-08", "a snapshot at %d, where none was stored", snapshot.GetSnapshotSequence())
	case !same(want, snapshot.GetSnapshot()):
		return broken("ES-05", "the snapshot at %d is not the one that was stored", snapshot.GetSnapshotSequence())
	}
	return nil
}

func (o *proxyOracle) replayed(last int64, event *eventsourced.EventSourcedEvent) error {
	n := event.GetSequence()
	switch {
	case o.unsure:
		return nil
	case n != last+1:
		return broken("ES-06 ES-07", "event %d follows %d", n, last)
	case n > int64(len(o.events)):
		return broken("ES-06 ES-36", "event %d is replayed; %d are stored", n, len(o.events))
	case !same(o.events[n-1], event.GetPayload()):
		return broken("ES-29", "event %d is not the one that was stored", n)
	}
	return nil
}

func (o *proxyOracle) restored(state *valueentity.ValueEntityInitState) error {
	switch {
	case o.unsure:
		return nil
	case state == nil:
		return broken("VE-05", "an init without state")
	case !same(o.value, state.GetValue()):
		return broken("VE-06 VE-14 VE-16 VE-20", "the value of the init is not the one that was stored")
	}
	return nil
}

// same compares what the protocol hands back: type URL and bytes.
func same(a, b *anypb.Any) bool {
	return (a == nil) == (b == nil) && a.GetTypeUrl() == b.GetTypeUrl() && bytes.Equal(a.GetValue(), b.GetValue())
}
