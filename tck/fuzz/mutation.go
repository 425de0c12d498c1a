package fuzz

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Op is a way to break one message.
type Op string

// The mutations of a message: two of its fields, before it is encoded, and five of its bytes.
const (
	// SetField gives the field at Path the value Value: a number, true, text, or base64 for bytes.
	SetField Op = "set"
	// ClearField unsets the field at Path.
	ClearField Op = "clear"
	// FlipByte inverts bits of the byte At: those that are set in Value, a number.
	FlipByte Op = "flip"
	// CutBytes drops what follows the byte At.
	CutBytes Op = "cut"
	// InsertBytes puts Value (base64) before the byte At.
	InsertBytes Op = "insert"
	// PadBytes appends At bytes of a field that nobody knows: a message over the limit.
	PadBytes Op = "pad"
)

// Mutation is one change to a message. One that no longer fits, as its field is not there, changes nothing.
type Mutation struct {
	Op    Op     `json:"op"`
	Path  string `json:"path,omitempty"`
	At    int    `json:"at,omitempty"`
	Value string `json:"value,omitempty"`
}

// maxPad bounds what PadBytes appends.
const maxPad = 80 << 20

// mutated returns the encoded message after its mutations.
func mutated(body proto.Message, mutations []Mutation) []byte {
	if len(mutations) > 0 {
		body = proto.Clone(body)
	}
	for _, m := range mutations {
		m.applyToFields(body.ProtoReflect())
	}
	// What was set is valid UTF-8, and nothing else can fail.
	raw, _ := proto.MarshalOptions{Deterministic: true}.Marshal(body)
	for _, m := range mutations {
		raw = m.applyToBytes(raw)
	}
	return raw
}

func (m Mutation) applyToFields(message protoreflect.Message) {
	if m.Op != SetField && m.Op != ClearField {
		return
	}
	parts := strings.Split(m.Path, ".")
	for len(parts) > 0 {
		field := message.Descriptor().Fields().ByName(protoreflect.Name(parts[0]))
		parts = parts[1:]
		switch {
		case field == nil:
			return
		case len(parts) == 0:
			m.applyToField(message, field)
			return
		case field.IsMap() || field.Message() == nil || !message.Has(field):
			return
		case field.IsList():
			at, err := strconv.Atoi(parts[0])
			parts = parts[1:]
			if list := message.Get(field).List(); err != nil || at < 0 || at >= list.Len() {
				return
			}
			message = message.Get(field).List().Get(at).Message()
		default:
			message = message.Mutable(field).Message()
		}
	}
}

func (m Mutation) applyToField(message protoreflect.Message, field protoreflect.FieldDescriptor) {
	if m.Op == ClearField {
		message.Clear(field)
		return
	}
	if value, ok := parseScalar(field, m.Value); ok && !field.IsList() && !field.IsMap() {
		message.Set(field, value)
	}
}

func parseScalar(field protoreflect.FieldDescriptor, text string) (protoreflect.Value, bool) {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(text == "true"), true
	case protoreflect.Int32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		return protoreflect.ValueOfInt32(int32(n)), err == nil
	case protoreflect.Int64Kind:
		n, err := strconv.ParseInt(text, 10, 64)
		return protoreflect.ValueOfInt64(n), err == nil
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.ToValidUTF8(text, "?")), true
	case protoreflect.BytesKind:
		value, err := base64.StdEncoding.DecodeString(text)
		return protoreflect.ValueOfBytes(value), err == nil
	default:
		return protoreflect.Value{}, false
	}
}

func (m Mutation) applyToBytes(raw []byte) []byte {
	at := max(m.At, 0)
	if m.Op != PadBytes {
		at = min(at, len(raw))
	}
	switch m.Op {
	case FlipByte:
		if bits, err := strconv.ParseUint(m.Value, 10, 8); err == nil && at < len(raw) {
			raw = bytes.Clone(raw)
			raw[at] ^= byte(bits)
		}
	case CutBytes:
		raw = raw[:at]
	case InsertBytes:
		if more, err := base64.StdEncoding.DecodeString(m.Value); err == nil {
			raw = append(append(bytes.Clone(raw[:at]), more...), raw[at:]...)
		}
	case PadBytes:
		raw = protowire.AppendTag(bytes.Clone(raw), unknownField, protowire.BytesType)
		raw = protowire.AppendBytes(raw, make([]byte, min(at, maxPad)))
	case SetField, ClearField:
	}
	return raw
}

// unknownField is a field number that no message of the protocol has.
const unknownField = 4000

// site is a field that can be mutated.
type site struct {
	path  string
	field protoreflect.FieldDescriptor
}

// sites lists the fields of a message: those of text, numbers and bytes whether set or not, and the messages and lists that are there.
func sites(message protoreflect.Message, prefix string, found []site) []site {
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		path := prefix + string(field.Name())
		switch {
		case field.IsMap():
		case field.IsList():
			if !message.Has(field) {
				continue
			}
			found = append(found, site{path, field})
			if field.Message() == nil {
				continue
			}
			for j := range message.Get(field).List().Len() {
				found = sites(message.Get(field).List().Get(j).Message(), path+"."+strconv.Itoa(j)+".", found)
			}
		case field.Message() == nil:
			found = append(found, site{path, field})
		case message.Has(field):
			found = append(found, site{path, field})
			found = sites(message.Get(field).Message(), path+".", found)
		}
	}
	return found
}

// drawMutation draws a mutation of one message.
func drawMutation(r *rand.Rand, body proto.Message) Mutation {
	places := sites(body.ProtoReflect(), "", nil)
	if len(places) > 0 && r.IntN(3) > 0 {
		return drawField(r, places[r.IntN(len(places))])
	}
	size := proto.Size(body)
	switch r.IntN(6) {
	case 0, 1:
		return Mutation{Op: FlipByte, At: r.IntN(size + 1), Value: strconv.Itoa(1 << r.IntN(8))}
	case 2:
		return Mutation{Op: CutBytes, At: r.IntN(size + 1)}
	case 3:
		return Mutation{Op: InsertBytes, At: r.IntN(size + 1), Value: base64.StdEncoding.EncodeToString(drawBytes(r))}
	case 4:
		// A field that nobody knows, which everybody must read over.
		unknown := protowire.AppendTag(nil, unknownField, protowire.VarintType)
		unknown = protowire.AppendVarint(unknown, r.Uint64())
		return Mutation{Op: InsertBytes, At: size, Value: base64.StdEncoding.EncodeToString(unknown)}
	default:
		// A field that everybody knows, in a form that is not its own.
		wrong := protowire.AppendTag(nil, protowire.Number(1+r.IntN(6)), protowire.Type([]int8{0, 1, 2, 3, 4, 5}[r.IntN(6)]))
		return Mutation{Op: InsertBytes, At: size, Value: base64.StdEncoding.EncodeToString(append(wrong, drawBytes(r)...))}
	}
}

func drawBytes(r *rand.Rand) []byte {
	random := make([]byte, 1+r.IntN(12))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	return random
}

// numbers and texts are the values that fields are set to: limits, neighbours, and what belongs elsewhere.
var (
	numbers = []string{"0", "-1", "1", "2", "3", "7", "99", "2147483647", "-2147483648", "4294967296", "9223372036854775807", "-9223372036854775808"}
	texts   = []string{
		"", "another-entity-0", placeholder + "x", "Process", "Call", "process", "\x00", "é ✓", "a/b", strings.Repeat("long", 1000),
		"type.googleapis.com/", "type.googleapis.com/google.protobuf.Empty", "cloudstate.tck.model.Response", "p.cloudstate.io/string",
		"cloudstate.tck.model.EventSourcedTckModel", "cloudstate.tck.model.EventSourcedTwo", "cloudstate.tck.model.action.ActionTwo",
		"cloudstate.tck.model.valueentity.ValueEntityTwo", "no.such.Service", "cloudstate.EntityDiscovery", "grpc.health.v1.Health",
	}
)

func drawField(r *rand.Rand, place site) Mutation {
	clearing := Mutation{Op: ClearField, Path: place.path}
	if place.field.IsList() || place.field.Message() != nil || r.IntN(5) == 0 {
		return clearing
	}
	set := Mutation{Op: SetField, Path: place.path}
	switch place.field.Kind() {
	case protoreflect.BoolKind:
		set.Value = []string{"true", "false"}[r.IntN(2)]
	case protoreflect.StringKind:
		set.Value = texts[r.IntN(len(texts))]
	case protoreflect.BytesKind:
		set.Value = base64.StdEncoding.EncodeToString(drawBytes(r))
	default:
		set.Value = numbers[r.IntN(len(numbers))]
	}
	return set
}
