package main

import (
	"math"
	"math/rand/v2"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// fill puts random values into every field of m, or into some of them, and of the messages in it.
func fill(r *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case r.IntN(4) == 0, f.Message() != nil && depth == 0, f.ContainingOneof() != nil && r.IntN(f.ContainingOneof().Fields().Len()) != 0:
		case f.IsMap(): // none of the messages that a user function sends to an entity has one
		case f.IsList():
			list := m.Mutable(f).List()
			for range r.IntN(4) {
				if f.Message() != nil {
					fill(r, list.AppendMutable().Message(), depth-1)
				} else {
					list.Append(value(r, f))
				}
			}
		case f.Message() != nil:
			fill(r, m.Mutable(f).Message(), depth-1)
		default:
			m.Set(f, value(r, f))
		}
	}
}

// value is a random value for a scalar field, the awkward ones more often than others.
func value(r *rand.Rand, f protoreflect.FieldDescriptor) protoreflect.Value {
	number := []int64{0, 1, -1, 2, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64, r.Int64()}[r.IntN(9)]
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(number&1 == 0)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(number))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(number)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(number))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(number))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString([]string{
			"", "x", "\x00", "type.googleapis.com/google.protobuf.Empty", "type.googleapis.com/", "/", "no.such.Service", "GetCart",
			"grpc-status", ":path", "Ünïcode \u202e", string(make([]byte, 3000)),
		}[r.IntN(12)])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(randomBytes(r, r.IntN(200)))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(int32(number)))
	default:
		return f.Default()
	}
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// damage encodes m and then, two times of three, breaks the encoding: bytes flipped, cut off or put in.
func damage(r *rand.Rand, m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err) // fill gives valid UTF-8 only
	}
	switch r.IntN(6) {
	case 0:
		if len(b) > 0 {
			b = b[:r.IntN(len(b))]
		}
	case 1:
		at := r.IntN(len(b) + 1)
		b = append(b[:at:at], append(randomBytes(r, 1+r.IntN(8)), b[at:]...)...)
	case 2, 3:
		for range min(len(b), 1+r.IntN(4)) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
	}
	return b
}
