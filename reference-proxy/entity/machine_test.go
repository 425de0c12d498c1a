package entity_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	es "github.com/stateful-serverless/cloudstate/reference-proxy/entity/eventsourced"
)

// world plays the driver of a machine at random, and holds what the machine asks for against the laws that hold in
// every order of messages.
type world struct {
	t       *rapid.T
	machine *entity.Machine
	spare   []entity.Instruction

	names              int
	given              map[string]*entity.Command // submitted, by payload
	settled, lookedUp  map[string]bool
	order              []string // of submission, without what was abandoned
	sent               []string // in the order of OpSend
	inFlight           int64    // id of the command at the user function, 0 for none
	lastID             int64
	writing            bool
	asked              bool   // an OpConfirm is out
	recalling          string // the command of which an OpRecall is out
	remembered         string // the command that an earlier try is remembered of
	stored             uint64 // the journal's length
	durable, confirmed bool   // what an answer that comes now stands on
	begun              bool   // a stream is open or being opened
	closed             bool
	ended              bool
}

// TestLaws: at most one command at a time (ES-13), ids 1, 2, 3 on each stream (ES-14, ES-15), in the order in which
// they came (ES-13, ES-35), each caller answered exactly once (LIM-22), and a command with events only after its write
// (ES-20), one without only when it was confirmed or is remembered (IDEM-03), whatever the user function, the store, the timers and the callers do.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, machine: entity.NewMachine(es.Protocol{}, "e", 3), given: map[string]*entity.Command{}, settled: map[string]bool{}, lookedUp: map[string]bool{}}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.step()
			w.obey()
			if w.ended {
				break
			}
		}
		w.finish()
		for name := range w.given {
			if !w.settled[name] {
				t.Fatalf("command %s never got an outcome", name)
			}
		}
		at := 0
		for _, name := range w.sent {
			for at < len(w.order) && w.order[at] != name {
				at++
			}
			if at == len(w.order) {
				t.Fatalf("sent %v, submitted %v: the order was not kept", w.sent, w.order)
			}
		}
	})
}

func (w *world) step() {
	switch rapid.IntRange(0, 12).Draw(w.t, "input") {
	case 0, 1, 2:
		w.names++
		name := fmt.Sprint("c", w.names)
		c := &entity.Command{Name: "Do", Payload: []byte(name)}
		if rapid.IntRange(0, 2).Draw(w.t, "keyed") == 0 {
			c.Keyed = &entity.Keyed{Key: name}
		}
		w.given[name] = c
		w.order = append(w.order, name)
		w.machine.Submit(c)
	case 3:
		for name, c := range w.given {
			if !w.settled[name] && w.machine.Abandon(c) {
				w.settled[name] = true // its caller has gone: nobody waits
			}
			break
		}
	case 4, 5, 6:
		if w.begun {
			w.machine.Received(w.message())
		}
	case 7:
		if w.begun {
			w.machine.StreamEnded(entity.FaultProtocol, "closed")
		}
	case 8:
		w.machine.TimedOut("1m")
	case 9:
		w.machine.Passivate()
	case 10:
		w.machine.Drain()
	case 11:
		w.finishWrite(rapid.Bool().Draw(w.t, "write succeeds"))
		w.confirm(rapid.Bool().Draw(w.t, "confirmed"))
		w.recall(rapid.IntRange(0, 2).Draw(w.t, "remembered") == 0)
	case 12:
		if w.machine.Idle() {
			w.machine.Disowned(nil)
		}
	}
}

// message is one that a user function might send: often the right reply, sometimes anything else.
func (w *world) message() []byte {
	id := w.inFlight
	r := &pb.EventSourcedReply{CommandId: id, ClientAction: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: &anypb.Any{}}}}}
	out := &pb.EventSourcedStreamOut{Message: &pb.EventSourcedStreamOut_Reply{Reply: r}}
	switch rapid.IntRange(0, 9).Draw(w.t, "message") {
	case 0:
		r.CommandId = rapid.Int64Range(-1, 5).Draw(w.t, "id")
	case 1, 2, 3:
		for range rapid.IntRange(1, 3).Draw(w.t, "events") {
			r.Events = append(r.Events, &anypb.Any{})
		}
		if rapid.Bool().Draw(w.t, "snapshot") {
			r.Snapshot = &anypb.Any{}
		}
	case 4:
		r.ClientAction = &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{Failure: &cloudstate.Failure{Restart: rapid.Bool().Draw(w.t, "restart")}}}
		if rapid.Bool().Draw(w.t, "with events") {
			r.Events = []*anypb.Any{{}}
		}
	case 5:
		if rapid.IntRange(0, 3).Draw(w.t, "break") == 0 {
			return rapid.SliceOf(rapid.Byte()).Draw(w.t, "bytes")
		}
	}
	b, err := proto.Marshal(out)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// obey does what the machine asks for and checks that it may ask for it.
func (w *world) obey() {
	for {
		todo := w.machine.Take(w.spare)
		w.spare = todo
		if len(todo) == 0 {
			return
		}
		for _, i := range todo {
			if w.ended {
				w.t.Fatalf("op %d after the machine retired", i.Op)
			}
			w.one(i)
		}
	}
}

func (w *world) one(i entity.Instruction) {
	switch i.Op { //nolint:exhaustive // the others change nothing that the laws speak of
	case entity.OpActivate:
		if w.inFlight != 0 || w.writing || w.asked {
			w.t.Fatal("a new stream while a command was outstanding")
		}
		w.begun, w.closed, w.lastID = true, false, 0
		w.activate()
	case entity.OpSend:
		m := &pb.EventSourcedStreamIn{}
		if err := proto.Unmarshal(i.Message, m); err != nil {
			w.t.Fatal(err)
		}
		id := m.GetCommand().GetId()
		if w.inFlight != 0 || w.writing || w.closed || id != w.lastID+1 {
			w.t.Fatalf("sent command id %d after %d, with %d in flight, writing %v, closed %v", id, w.lastID, w.inFlight, w.writing, w.closed)
		}
		name := string(m.GetCommand().GetPayload().GetValue())
		if w.settled[name] {
			w.t.Fatalf("sent %s, which had been answered or abandoned", name)
		}
		if w.recalling != "" {
			w.t.Fatalf("sent %s while %s was looked up", name, w.recalling)
		}
		if w.given[name].Keyed != nil && !w.lookedUp[name] {
			w.t.Fatalf("sent %s, of which an earlier try may be remembered", name)
		}
		w.inFlight, w.lastID = id, id
		w.sent = append(w.sent, name)
	case entity.OpRecall:
		if w.inFlight != 0 || w.writing || w.asked || w.recalling != "" || i.Position != w.stored {
			w.t.Fatalf("recall at %d with something outstanding", i.Position)
		}
		w.recalling = string(i.Command.Payload)
	case entity.OpWrite:
		if sent := w.given[w.sent[len(w.sent)-1]]; (sent.Keyed != nil) != (i.Remember != nil) {
			w.t.Fatalf("%s is keyed: %v, is remembered: %v", sent.Payload, sent.Keyed != nil, i.Remember != nil)
		}
		if w.writing || i.Position != w.stored {
			w.t.Fatalf("write after %d, the journal is at %d, writing %v", i.Position, w.stored, w.writing)
		}
		w.writing = true
		w.stored += uint64(len(i.Write.Events)) // if it succeeds
	case entity.OpConfirm:
		if w.writing || w.asked || w.inFlight == 0 {
			w.t.Fatal("nothing to confirm")
		}
		w.asked = true
	case entity.OpSettle:
		name := string(i.Command.Payload)
		if w.settled[name] {
			w.t.Fatalf("%s got two outcomes", name)
		}
		if w.writing && i.Outcome.Fault == nil {
			w.t.Fatalf("%s was answered before its events were durable", name)
		}
		if i.Outcome.Fault == nil && !w.durable && !w.confirmed && w.remembered != name {
			w.t.Fatalf("%s was answered without a confirmation", name)
		}
		if w.asked && i.Command.Payload != nil && len(w.sent) > 0 && w.sent[len(w.sent)-1] == name {
			w.t.Fatalf("%s got an outcome before it was confirmed or not", name)
		}
		w.settled[name] = true
		if len(w.sent) > 0 && w.sent[len(w.sent)-1] == name {
			w.inFlight = 0
		}
	case entity.OpCloseStream:
		if w.inFlight != 0 || w.writing {
			w.t.Fatal("half-closed with a command outstanding")
		}
		w.closed = true
	case entity.OpRetire:
		w.ended = true
		if !w.machine.Ended() {
			w.t.Fatal("retired, but not ended")
		}
	}
}

// activate answers an OpActivate at once, or as a failure.
func (w *world) activate() {
	if rapid.IntRange(0, 9).Draw(w.t, "activation fails") == 0 {
		w.begun = false
		w.machine.ActivationFailed(&entity.Fault{Class: entity.FaultStore, Text: "x"}, "")
		return
	}
	w.machine.Activated(w.stored)
}

func (w *world) finishWrite(ok bool) {
	if !w.writing {
		return
	}
	w.writing = false
	if ok {
		w.durable = true
		w.machine.Written(w.stored)
		w.obey()
		w.durable = false
		return
	}
	w.machine.WriteFailed(&entity.Fault{Class: entity.FaultStore, Text: "x"}, "")
}

// confirm answers an OpConfirm that is out.
func (w *world) confirm(ok bool) {
	if !w.asked {
		return
	}
	w.asked = false
	if !ok {
		w.machine.Disowned(&entity.Fault{Class: entity.FaultStoreUnavailable, Text: "x"})
		return
	}
	w.confirmed = true
	w.machine.Confirmed()
	w.obey()
	w.confirmed = false
}

// recall answers an OpRecall that is out.
func (w *world) recall(found bool) {
	name := w.recalling
	if name == "" {
		return
	}
	w.recalling = ""
	if !found {
		w.lookedUp[name] = true
		w.machine.Recalled(nil)
		return
	}
	w.remembered = name
	w.machine.Recalled(&entity.Outcome{Reply: &entity.Reply{}})
	w.obey()
	w.remembered = ""
}

// finish lets everything that is out come in, as the driver's time-outs would.
func (w *world) finish() {
	for range 100 {
		w.finishWrite(true)
		w.confirm(true)
		w.recall(false)
		w.obey()
		w.machine.TimedOut("1m")
		w.obey()
		if w.ended {
			return
		}
	}
}
