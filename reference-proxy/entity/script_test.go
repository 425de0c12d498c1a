package entity_test

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	es "github.com/stateful-serverless/cloudstate/reference-proxy/entity/eventsourced"
	"github.com/stateful-serverless/cloudstate/reference-proxy/entity/value"
)

// TestScripts runs the conversations of testdata: each line an input of the machine,
// below it the instructions that it gave. Rewrite with -rewrite and read the diff.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		var s *script
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "machine" {
				s = newScript(t, d)
				return ""
			}
			s.run(t, d)
			return s.drain()
		})
	})
}

type script struct {
	machine  *entity.Machine
	protocol entity.Protocol
	in, out  func() proto.Message
	commands map[string]*entity.Command
	spare    []entity.Instruction
}

func newScript(t *testing.T, d *datadriven.TestData) *script {
	var kind string
	queue := 10
	d.ScanArgs(t, "kind", &kind)
	d.MaybeScanArgs(t, "queue", &queue)
	s := &script{commands: map[string]*entity.Command{}}
	switch kind {
	case "event-sourced":
		s.protocol = es.Protocol{}
		s.in = func() proto.Message { return &eventsourced.EventSourcedStreamIn{} }
		s.out = func() proto.Message { return &eventsourced.EventSourcedStreamOut{} }
	case "value":
		s.protocol = value.Protocol{}
		s.in = func() proto.Message { return &valueentity.ValueEntityStreamIn{} }
		s.out = func() proto.Message { return &valueentity.ValueEntityStreamOut{} }
	default:
		d.Fatalf(t, "unknown kind %q", kind)
	}
	s.machine = entity.NewMachine(s.protocol, "e1", queue)
	return s
}

func (s *script) run(t *testing.T, d *datadriven.TestData) {
	switch d.Cmd {
	case "submit":
		for _, a := range d.CmdArgs {
			c := &entity.Command{Name: "Do", TypeURL: "type.googleapis.com/X", Payload: []byte(a.Key)}
			s.commands[a.Key] = c
			s.machine.Submit(c)
		}
	case "submit-keyed": // as submit; the command has an idempotency key
		for _, a := range d.CmdArgs {
			c := &entity.Command{Name: "Do", TypeURL: "type.googleapis.com/X", Payload: []byte(a.Key), Keyed: &entity.Keyed{Key: "key-" + a.Key}}
			s.commands[a.Key] = c
			s.machine.Submit(c)
		}
	case "recalled": // with input, a reply that was remembered
		var o *entity.Outcome
		if d.Input != "" {
			o = &entity.Outcome{Reply: &entity.Reply{Payload: []byte(d.Input)}}
		}
		s.machine.Recalled(o)
	case "gone":
		s.commands[d.CmdArgs[0].Key].Gone = func() bool { return true }
	case "abandon":
		name := d.CmdArgs[0].Key
		if !s.machine.Abandon(s.commands[name]) {
			fmt.Fprintf(&notes, "%s is already with the user function\n", name)
		}
	case "activated":
		var at int
		d.ScanArgs(t, "at", &at)
		s.machine.Activated(uint64(at))
	case "activation-failed":
		s.machine.ActivationFailed(&entity.Fault{Class: entity.FaultStore, Text: d.Input}, "")
	case "received":
		m := s.out()
		if err := prototext.Unmarshal([]byte(d.Input), m); err != nil {
			d.Fatalf(t, "%v", err)
		}
		msg, err := proto.Marshal(m)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		s.machine.Received(msg)
	case "received-bytes":
		s.machine.Received([]byte(d.Input))
	case "written":
		var at int
		d.ScanArgs(t, "at", &at)
		s.machine.Written(uint64(at))
	case "confirmed":
		s.machine.Confirmed()
	case "disowned":
		s.machine.Disowned(&entity.Fault{Class: entity.FaultStoreUnavailable, Text: d.Input})
	case "write-failed":
		class := entity.FaultStore
		switch {
		case d.HasArg("full"):
			class = entity.FaultStoreFull
		case d.HasArg("away"):
			class = entity.FaultStoreUnavailable
		}
		s.machine.WriteFailed(&entity.Fault{Class: class, Text: d.Input}, "")
	case "stream-ended":
		class := entity.FaultProtocol
		if d.HasArg("lost") {
			class = entity.FaultUnavailable
		}
		s.machine.StreamEnded(class, d.Input)
	case "timed-out":
		s.machine.TimedOut("1m")
	case "passivate":
		s.machine.Passivate()
	case "drain":
		s.machine.Drain()
	default:
		d.Fatalf(t, "unknown input %q", d.Cmd)
	}
}

var notes strings.Builder

// drain renders what the machine asks for. It does nothing by itself: the script
// plays the driver.
func (s *script) drain() string {
	var b strings.Builder
	b.WriteString(notes.String())
	notes.Reset()
	todo := s.machine.Take(s.spare)
	for _, i := range todo {
		b.WriteString(s.render(i))
		b.WriteByte('\n')
	}
	s.spare = todo
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func (s *script) render(i entity.Instruction) string {
	switch i.Op {
	case entity.OpActivate:
		return "activate"
	case entity.OpSend:
		m := s.in()
		if err := proto.Unmarshal(i.Message, m); err != nil {
			return "send garbage: " + err.Error()
		}
		var id int64
		var name string
		switch m := m.(type) {
		case *eventsourced.EventSourcedStreamIn:
			id, name = m.GetCommand().GetId(), string(m.GetCommand().GetPayload().GetValue())
		case *valueentity.ValueEntityStreamIn:
			id, name = m.GetCommand().GetId(), string(m.GetCommand().GetPayload().GetValue())
		}
		return fmt.Sprintf("send command id %d: %s", id, name)
	case entity.OpRecall:
		return fmt.Sprintf("recall %s at %d", i.Command.Keyed.Key, i.Position)
	case entity.OpWrite:
		if r := i.Remember; r != nil {
			o, err := r.Answers(&entity.Command{Name: "Do", Payload: []byte(strings.TrimPrefix(r.Key, "key-")), Keyed: &entity.Keyed{Key: r.Key}})
			i.Remember = nil
			return fmt.Sprintf("%s, with it: %s came to %s, %v", s.render(i), r.Key, outcome(o), err)
		}
		switch i.Write.Op {
		case entity.WriteAppend:
			return fmt.Sprintf("append %d events after %d", len(i.Write.Events), i.Position)
		case entity.WritePut:
			return fmt.Sprintf("put over version %d", i.Position)
		default:
			return fmt.Sprintf("delete version %d", i.Position)
		}
	case entity.OpConfirm:
		return "confirm"
	case entity.OpSnapshot:
		return fmt.Sprintf("store snapshot at %d", i.Position)
	case entity.OpSettle:
		return fmt.Sprintf("answer %s: %s", i.Command.Payload, outcome(i.Outcome))
	case entity.OpCloseStream:
		return "half-close the stream"
	case entity.OpAbort:
		return "cancel the stream"
	case entity.OpReport:
		return "report: " + i.Text
	default:
		return "retire"
	}
}

var classes = map[entity.FaultClass]string{
	entity.FaultProtocol: "protocol", entity.FaultUnavailable: "unavailable", entity.FaultTimeout: "time-out",
	entity.FaultStore: "store", entity.FaultDamaged: "damaged", entity.FaultStoreUnavailable: "store unavailable", entity.FaultStoreFull: "store full", entity.FaultOverload: "overload",
}

func outcome(o entity.Outcome) string {
	var parts []string
	if o.Reply != nil {
		parts = append(parts, fmt.Sprintf("reply %q", o.Reply.Payload))
	}
	if o.Forward != nil {
		parts = append(parts, "forward to "+o.Forward.GetServiceName())
	}
	if o.Failure != nil {
		parts = append(parts, "failure "+o.Failure.GetDescription())
	}
	if o.Fault != nil {
		parts = append(parts, fmt.Sprintf("fault (%s) %s", classes[o.Fault.Class], o.Fault.Text))
	}
	if len(o.Effects) > 0 {
		parts = append(parts, fmt.Sprintf("%d effects", len(o.Effects)))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}
