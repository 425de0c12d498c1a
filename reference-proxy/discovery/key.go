package discovery

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Why a request has no usable entity key. All three are the client's fault: whoever serves it answers INVALID_ARGUMENT.
var (
	// ErrMalformed says that the bytes are not a protobuf message (SERV-41).
	ErrMalformed = errors.New("request is not a well-formed protobuf message")
	// ErrEmptyKey says that the key's text is empty (SERV-49).
	ErrEmptyKey = errors.New("entity key is empty")
	// ErrInvalidUTF8 says that a string field of the key is not UTF-8 (SERV-50).
	ErrInvalidUTF8 = errors.New("entity key is not valid UTF-8")
)

// maxKeyFields bounds the fields that may form one key, so that reading them needs no memory of its own.
const maxKeyFields = 16

// KeyExtractor reads the entity key of one request message from its wire bytes, without decoding the message. It is immutable
// and safe for concurrent use.
type KeyExtractor struct {
	message string
	fields  []keyField // in the order of their declaration; 1 to maxKeyFields
}

// keyField is one key field: how its value stands on the wire and how it becomes text.
type keyField struct {
	number protowire.Number
	name   string
	kind   protoreflect.Kind
	wire   protowire.Type
	enum   map[int32]string // names of the known values of an enum field
	absent keyValue         // the value that a message without the field has
	rivals []wireField      // the other members of the field's oneof: one of them on the wire takes the field's value away
}

// wireField is a field as the wire shows it.
type wireField struct {
	number protowire.Number
	wire   protowire.Type
}

// keyValue is the value of one key field, not yet text.
type keyValue struct {
	scalar uint64 // as on the wire, for everything but string and bytes
	bytes  []byte // string and bytes
}

// Extract returns the entity key of a request, as SERV-13 to SERV-15 and SERV-42 to SERV-48 define it: a single field
// gives its text verbatim; several are joined by "-" in the order of their declaration, with "-" and "\" inside of one
// escaped by "\". A field that is absent has its default value, and of a field that occurs several times the last one counts.
//
// The errors are ErrMalformed, ErrEmptyKey and ErrInvalidUTF8, wrapped. It allocates at most the returned string, unless
// it fails. It keeps no reference to wire.
func (k *KeyExtractor) Extract(wire []byte) (string, error) {
	if len(k.fields) > 1 {
		return k.extractJoined(wire)
	}
	f := &k.fields[0]
	values := [1]keyValue{f.absent}
	if err := k.scan(wire, values[:]); err != nil {
		return "", err
	}
	if !f.validText(values[0]) {
		return "", k.invalid(f)
	}
	key := f.text(values[0])
	if key == "" {
		return "", fmt.Errorf("%w: give field %s of %s a value", ErrEmptyKey, f.name, k.message)
	}
	return key, nil
}

// extractJoined is Extract for several key fields; such a key is never empty.
func (k *KeyExtractor) extractJoined(wire []byte) (string, error) {
	var room [maxKeyFields]keyValue
	values := room[:len(k.fields)]
	for i := range k.fields {
		values[i] = k.fields[i].absent
	}
	if err := k.scan(wire, values); err != nil {
		return "", err
	}
	for i := range k.fields {
		if !k.fields[i].validText(values[i]) {
			return "", k.invalid(&k.fields[i])
		}
	}
	return k.join(values), nil
}

func (f *keyField) validText(v keyValue) bool {
	return f.kind != protoreflect.StringKind || utf8.Valid(v.bytes)
}

func (k *KeyExtractor) invalid(f *keyField) error {
	return fmt.Errorf("%w: field %s of %s", ErrInvalidUTF8, f.name, k.message)
}

// scan walks over the message once and leaves the last value of every key field in values. Embedded messages are stepped over
// unread; whatever a conforming decoder treats as an unknown field (a wrong wire type too) is as well.
func (k *KeyExtractor) scan(wire []byte, values []keyValue) error {
	for at := 0; at < len(wire); {
		num, typ, n := protowire.ConsumeTag(wire[at:])
		if n < 0 || num > protowire.MaxValidNumber {
			return k.malformed(at)
		}
		start := at + n
		size := protowire.ConsumeFieldValue(num, typ, wire[start:])
		if size < 0 {
			return k.malformed(at)
		}
		at = start + size
		for i := range k.fields {
			f := &k.fields[i]
			if f.number == num && f.wire == typ {
				values[i] = f.read(wire[start:at])
			} else if len(f.rivals) > 0 && slices.Contains(f.rivals, wireField{num, typ}) {
				values[i] = f.absent
			}
		}
	}
	return nil
}

func (k *KeyExtractor) malformed(at int) error {
	return fmt.Errorf("%w: %s, at byte %d", ErrMalformed, k.message, at)
}

// read takes a value that is known to be complete.
func (f *keyField) read(value []byte) keyValue {
	switch f.wire {
	case protowire.VarintType:
		v, _ := protowire.ConsumeVarint(value)
		return keyValue{scalar: v}
	case protowire.Fixed32Type:
		v, _ := protowire.ConsumeFixed32(value)
		return keyValue{scalar: uint64(v)}
	case protowire.Fixed64Type:
		v, _ := protowire.ConsumeFixed64(value)
		return keyValue{scalar: v}
	default:
		v, _ := protowire.ConsumeBytes(value)
		return keyValue{bytes: v}
	}
}

// newKeyField prepares a field that keyFault found nothing wrong with.
func newKeyField(fd protoreflect.FieldDescriptor) keyField {
	f := keyField{
		number: fd.Number(),
		name:   string(fd.Name()),
		kind:   fd.Kind(),
		wire:   wireTypes[fd.Kind()],
		absent: absentValue(fd),
	}
	if fd.Kind() == protoreflect.EnumKind {
		values := fd.Enum().Values()
		f.enum = make(map[int32]string, values.Len())
		for i := range values.Len() {
			// Of several names for one number the first counts, as in canonical JSON.
			if number := int32(values.Get(i).Number()); f.enum[number] == "" {
				f.enum[number] = string(values.Get(i).Name())
			}
		}
	}
	if oneof := fd.ContainingOneof(); oneof != nil {
		for i := range oneof.Fields().Len() {
			if rival := oneof.Fields().Get(i); rival.Number() != fd.Number() {
				f.rivals = append(f.rivals, wireField{rival.Number(), wireTypes[rival.Kind()]})
			}
		}
	}
	return f
}

// wireTypes says how a single value of each kind stands on the wire.
var wireTypes = map[protoreflect.Kind]protowire.Type{
	protoreflect.BoolKind:     protowire.VarintType,
	protoreflect.EnumKind:     protowire.VarintType,
	protoreflect.Int32Kind:    protowire.VarintType,
	protoreflect.Sint32Kind:   protowire.VarintType,
	protoreflect.Uint32Kind:   protowire.VarintType,
	protoreflect.Int64Kind:    protowire.VarintType,
	protoreflect.Sint64Kind:   protowire.VarintType,
	protoreflect.Uint64Kind:   protowire.VarintType,
	protoreflect.Sfixed32Kind: protowire.Fixed32Type,
	protoreflect.Fixed32Kind:  protowire.Fixed32Type,
	protoreflect.Sfixed64Kind: protowire.Fixed64Type,
	protoreflect.Fixed64Kind:  protowire.Fixed64Type,
	protoreflect.StringKind:   protowire.BytesType,
	protoreflect.BytesKind:    protowire.BytesType,
	protoreflect.FloatKind:    protowire.Fixed32Type,
	protoreflect.DoubleKind:   protowire.Fixed64Type,
	protoreflect.MessageKind:  protowire.BytesType,
	protoreflect.GroupKind:    protowire.StartGroupType,
}

// absentValue is the value that a decoder shows for a field that is not on the wire: the default that a proto2 or editions
// file declares for it, otherwise zero.
func absentValue(fd protoreflect.FieldDescriptor) keyValue {
	d := fd.Default()
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return keyValue{scalar: protowire.EncodeBool(d.Bool())}
	case protoreflect.EnumKind:
		return keyValue{scalar: uint64(d.Enum())}
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return keyValue{scalar: protowire.EncodeZigZag(d.Int())}
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		return keyValue{scalar: uint64(d.Int())}
	case protoreflect.Sfixed32Kind:
		return keyValue{scalar: uint64(uint32(d.Int()))}
	case protoreflect.StringKind:
		return keyValue{bytes: []byte(d.String())}
	case protoreflect.BytesKind:
		return keyValue{bytes: d.Bytes()}
	default:
		return keyValue{scalar: d.Uint()}
	}
}

// signed is a signed or enum field's value; the wire may carry more bits than the type has, and decoders cut them off.
func (f *keyField) signed(v uint64) int64 {
	switch f.kind {
	case protoreflect.Sint32Kind:
		return int64(int32(protowire.DecodeZigZag(v & math.MaxUint32)))
	case protoreflect.Sint64Kind:
		return protowire.DecodeZigZag(v)
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind, protoreflect.EnumKind:
		return int64(int32(v))
	default:
		return int64(v)
	}
}
