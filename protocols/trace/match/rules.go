package match

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// Rules say what may differ beside what always may.
type Rules struct {
	// Ignore holds full names of fields that are not compared, such as cloudstate.Failure.description.
	Ignore []string
	// Entities maps recorded entity ids to those of the other conversation: every text that is such an id, in payloads too, counts as the other.
	Entities map[string]string
}

// ignored are the fields that implementations fill as they like: who they are, their words for people, and the bytes of descriptors, which
// depend on the compiler.
var ignored = []string{
	"cloudstate.ProxyInfo.proxy_name", "cloudstate.ProxyInfo.proxy_version", "cloudstate.ProxyInfo.supported_entity_types", "cloudstate.ProxyInfo.extensions",
	"cloudstate.EntitySpec.proto", "cloudstate.EntitySpec.service_info", "cloudstate.UserFunctionError.message",
}

// ignoredHeaders are the keys of a command's metadata that the client's gRPC library and the proxy set.
var ignoredHeaders = []string{"user-agent", "content-type", "te", "traceparent", "tracestate"}

// OwnHeader tells whether the client's gRPC library or the proxy sets the metadata of that key.
func OwnHeader(key string) bool {
	return strings.HasPrefix(key, ":") || strings.HasPrefix(key, "grpc-") || slices.Contains(ignoredHeaders, key)
}

// commandIDs are the fields that hold the id of a command, which the proxy chooses.
var commandIDs = map[protoreflect.FullName]bool{
	"cloudstate.Command.id": true, "cloudstate.StreamCancelled.id": true, "cloudstate.Failure.command_id": true,
	"cloudstate.eventsourced.EventSourcedReply.command_id": true, "cloudstate.valueentity.ValueEntityReply.command_id": true,
	"cloudstate.crdt.CrdtReply.command_id": true, "cloudstate.crdt.CrdtStreamedMessage.command_id": true,
	"cloudstate.crdt.CrdtStreamCancelledResponse.command_id": true,
}

// maxNesting bounds how many payloads inside payloads are looked into; what lies deeper is compared as bytes.
const maxNesting = 16

// Conversation compares the messages of one call, in their order: it knows which of its command ids stands for which. It is not safe for
// concurrent use.
type Conversation struct {
	rules Rules
	types *tracefile.Types
	there map[int64]int64 // recorded ids to those of the other conversation
	taken map[int64]bool
}

// NewConversation returns the comparison of one call. Payloads of the types are compared as messages, others as bytes.
func (r Rules) NewConversation(types *tracefile.Types) *Conversation {
	return &Conversation{rules: r, types: types, there: map[int64]int64{}, taken: map[int64]bool{}}
}

// Translate returns the recorded message as the other conversation would have it, with its entity ids and command ids.
func (c *Conversation) Translate(recorded proto.Message) proto.Message {
	m := proto.Clone(recorded)
	rewriter{c: c, translate: true}.message(m.ProtoReflect(), 0)
	return m
}

// Compare tells how got differs from the recorded message, as a *trace.Mismatch; nil if it does not.
func (c *Conversation) Compare(where string, recorded, got proto.Message) error {
	c.meet(recorded, got)
	want, come := proto.Clone(recorded), proto.Clone(got)
	rewriter{c: c, translate: true, drop: true}.message(want.ProtoReflect(), 0)
	rewriter{c: c, drop: true}.message(come.ProtoReflect(), 0)
	if proto.Equal(want, come) {
		return nil
	}
	diff := trace.DiffLines(c.lines(want), c.lines(come))
	return &trace.Mismatch{Where: where, Expected: c.text(want), Got: c.text(come), Diff: diff}
}

// meet pairs the ids of two commands that come at the same place.
func (c *Conversation) meet(recorded, got proto.Message) {
	want, come := commandID(recorded), commandID(got)
	if _, met := c.there[want]; want == 0 || come == 0 || met || c.taken[come] {
		return
	}
	c.there[want], c.taken[come] = come, true
}

// commandID returns the id of the command in a message to an entity; 0 without one.
func commandID(m proto.Message) int64 {
	if in, ok := m.(interface{ GetCommand() *cloudstate.Command }); ok {
		return in.GetCommand().GetId()
	}
	return 0
}

// text renders m on one line, decoded if it can be.
func (c *Conversation) text(m proto.Message) string {
	text, err := c.types.JSON(m)
	if err != nil {
		return trace.Text(m)
	}
	const shown = 400
	if len(text) > shown {
		return fmt.Sprintf("%s… (%d characters)", strings.ToValidUTF8(string(text[:shown]), ""), len(text))
	}
	return string(text)
}

// lines renders m over several lines.
func (c *Conversation) lines(m proto.Message) string {
	text, err := c.types.Indented(m)
	if err != nil {
		return trace.Indented(m)
	}
	return text
}

// rewriter changes a message in place, payloads of known types included, which come out in one form whatever it was.
type rewriter struct {
	c *Conversation
	// translate puts the other conversation's ids in place of the recorded ones, drop removes what is not compared.
	translate, drop bool
}

func (r rewriter) message(m protoreflect.Message, depth int) {
	if a, ok := m.Interface().(*anypb.Any); ok {
		r.payload(a, depth)
		return
	}
	var fields []protoreflect.FieldDescriptor
	m.Range(func(field protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		fields = append(fields, field)
		return true
	})
	for _, field := range fields {
		name := field.FullName()
		switch value := m.Get(field); {
		case r.drop && (slices.Contains(ignored, string(name)) || slices.Contains(r.c.rules.Ignore, string(name))):
			m.Clear(field)
		case commandIDs[name] && r.translate:
			if there, ok := r.c.there[value.Int()]; ok {
				m.Set(field, protoreflect.ValueOfInt64(there))
			}
		case field.IsMap():
			value.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
				m.Mutable(field).Map().Set(key, r.value(field.MapValue(), value, depth))
				return true
			})
		case field.IsList():
			for i := range value.List().Len() {
				value.List().Set(i, r.value(field, value.List().Get(i), depth))
			}
		default:
			m.Set(field, r.value(field, value, depth))
		}
	}
	if !r.drop {
		return
	}
	switch m := m.Interface().(type) {
	case *cloudstate.Metadata:
		dropHeaders(m)
	case *cloudstate.EntitySpec: // entities have no order
		slices.SortStableFunc(m.Entities, func(a, b *cloudstate.Entity) int { return strings.Compare(a.GetServiceName(), b.GetServiceName()) })
	}
}

// value returns one value of the field, changed.
func (r rewriter) value(field protoreflect.FieldDescriptor, value protoreflect.Value, depth int) protoreflect.Value {
	switch {
	case field.Message() != nil:
		r.message(value.Message(), depth)
	case field.Kind() == protoreflect.StringKind && r.translate:
		if id, ok := r.c.rules.Entities[value.String()]; ok {
			return protoreflect.ValueOfString(id)
		}
	}
	return value
}

func (r rewriter) payload(a *anypb.Any, depth int) {
	kind, err := r.c.types.FindMessageByURL(a.GetTypeUrl())
	if err != nil || depth >= maxNesting {
		return
	}
	inner := kind.New()
	if (proto.UnmarshalOptions{AllowPartial: true, Resolver: r.c.types}).Unmarshal(a.GetValue(), inner.Interface()) != nil {
		return
	}
	r.message(inner, depth+1)
	if value, err := (proto.MarshalOptions{Deterministic: true, AllowPartial: true}).Marshal(inner.Interface()); err == nil {
		a.Value = value
	}
}

// dropHeaders removes the entries that are not compared and sorts the others by key: headers of different keys have no order in gRPC.
func dropHeaders(m *cloudstate.Metadata) {
	m.Entries = slices.DeleteFunc(m.Entries, func(e *cloudstate.MetadataEntry) bool { return OwnHeader(e.GetKey()) })
	slices.SortStableFunc(m.Entries, func(a, b *cloudstate.MetadataEntry) int { return strings.Compare(a.GetKey(), b.GetKey()) })
}
