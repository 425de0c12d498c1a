package discovery

import (
	"encoding/base64"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// text is a single key field's value as canonical JSON writes it, without quotes; 64-bit integers in plain decimal.
func (f *keyField) text(v keyValue) string {
	switch f.kind {
	case protoreflect.StringKind:
		return string(v.bytes)
	case protoreflect.BytesKind:
		var b strings.Builder
		b.Grow(base64.StdEncoding.EncodedLen(len(v.bytes)))
		writeBase64(&b, v.bytes)
		return b.String()
	case protoreflect.EnumKind:
		number := f.signed(v.scalar)
		if name, known := f.enum[int32(number)]; known {
			return name
		}
		return strconv.FormatInt(number, 10)
	case protoreflect.BoolKind:
		return strconv.FormatBool(v.scalar != 0)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return strconv.FormatUint(uint64(uint32(v.scalar)), 10)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return strconv.FormatUint(v.scalar, 10)
	default:
		return strconv.FormatInt(f.signed(v.scalar), 10)
	}
}

// join forms the key of several fields.
func (k *KeyExtractor) join(values []keyValue) string {
	size := len(k.fields)
	for i := range k.fields {
		size += k.fields[i].room(values[i])
	}
	var b strings.Builder
	b.Grow(size)
	for i := range k.fields {
		if i > 0 {
			b.WriteByte('-')
		}
		k.fields[i].write(&b, values[i])
	}
	return b.String()
}

// room is an upper bound of what write writes.
func (f *keyField) room(v keyValue) int {
	switch f.kind {
	case protoreflect.StringKind:
		return len(v.bytes) + countEscapes(v.bytes)
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodedLen(len(v.bytes))
	case protoreflect.EnumKind:
		if name, known := f.enum[int32(f.signed(v.scalar))]; known {
			return len(name)
		}
		return maxNumberText + 1
	default:
		return maxNumberText + 1
	}
}

// maxNumberText is the length of the longest 64-bit integer with its sign; one more byte is the escape of that sign.
const maxNumberText = len("-9223372036854775808")

// write appends the field's text, escaped. Numbers are formatted on the stack, so that a joined key is one allocation.
func (f *keyField) write(b *strings.Builder, v keyValue) {
	var digits [maxNumberText]byte
	switch f.kind {
	case protoreflect.StringKind:
		for _, c := range v.bytes {
			if c == '-' || c == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
	case protoreflect.BytesKind:
		writeBase64(b, v.bytes) // the standard alphabet has neither "-" nor "\"
	case protoreflect.EnumKind:
		number := f.signed(v.scalar)
		if name, known := f.enum[int32(number)]; known {
			b.WriteString(name) // an identifier: nothing to escape
			return
		}
		writeSigned(b, digits[:0], number)
	case protoreflect.BoolKind:
		b.Write(strconv.AppendBool(digits[:0], v.scalar != 0))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		b.Write(strconv.AppendUint(digits[:0], uint64(uint32(v.scalar)), 10))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		b.Write(strconv.AppendUint(digits[:0], v.scalar, 10))
	default:
		writeSigned(b, digits[:0], f.signed(v.scalar))
	}
}

// writeSigned writes a number as a part of a joined key: its sign is a "-" inside the part.
func writeSigned(b *strings.Builder, digits []byte, number int64) {
	if number < 0 {
		b.WriteByte('\\')
	}
	b.Write(strconv.AppendInt(digits, number, 10))
}

// writeBase64 encodes block by block on the stack.
func writeBase64(b *strings.Builder, data []byte) {
	const block = 48
	var out [64]byte
	for len(data) > block {
		base64.StdEncoding.Encode(out[:], data[:block])
		b.Write(out[:])
		data = data[block:]
	}
	n := base64.StdEncoding.EncodedLen(len(data))
	base64.StdEncoding.Encode(out[:n], data)
	b.Write(out[:n])
}

func countEscapes(text []byte) int {
	n := 0
	for _, c := range text {
		if c == '-' || c == '\\' {
			n++
		}
	}
	return n
}
