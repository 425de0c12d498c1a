package payload

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

var errUTF8 = errors.New("text is not valid UTF-8")

// primitiveName is the protobuf scalar type of a Go value, or empty when it is not a primitive (SPEC SER-06).
func primitiveName(value any) string {
	switch value.(type) {
	case string:
		return "string"
	case []byte:
		return "bytes"
	case int32:
		return "int32"
	case int64:
		return "int64"
	case float32:
		return "float"
	case float64:
		return "double"
	case bool:
		return "bool"
	default:
		return ""
	}
}

// encodePrimitive writes a message whose field 1 is the value (SPEC SER-02); the default value gives no bytes (SER-03).
func encodePrimitive(value any) ([]byte, error) {
	switch v := value.(type) {
	case string:
		if !utf8.ValidString(v) {
			return nil, errUTF8
		}
		return appendBytes([]byte(v)), nil
	case []byte:
		return appendBytes(v), nil
	case int32:
		return appendVarint(uint64(int64(v))), nil
	case int64:
		return appendVarint(uint64(v)), nil
	case bool:
		return appendVarint(protowire.EncodeBool(v)), nil
	case float32:
		if bits := math.Float32bits(v); bits != 0 {
			return protowire.AppendFixed32(protowire.AppendTag(nil, 1, protowire.Fixed32Type), bits), nil
		}
	case float64:
		if bits := math.Float64bits(v); bits != 0 {
			return protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), bits), nil
		}
	}
	return nil, nil
}

func appendBytes(v []byte) []byte {
	if len(v) == 0 {
		return nil
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), v)
}

func appendVarint(v uint64) []byte {
	if v == 0 {
		return nil
	}
	return protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), v)
}

// decodePrimitive reads field 1 into one of the primitive pointers; a missing field is the default value and unknown
// fields are skipped (SPEC SER-07).
func decodePrimitive(data []byte, into any) error {
	wire := protowire.VarintType
	switch into.(type) {
	case *string, *[]byte:
		wire = protowire.BytesType
	case *float32:
		wire = protowire.Fixed32Type
	case *float64:
		wire = protowire.Fixed64Type
	}
	field, err := lastField(data, wire)
	if err != nil || field == nil {
		return err
	}
	switch p := into.(type) {
	case *string:
		text, _ := protowire.ConsumeBytes(field)
		if !utf8.Valid(text) {
			return errUTF8
		}
		*p = string(text)
	case *[]byte:
		raw, _ := protowire.ConsumeBytes(field)
		*p = slices.Clone(raw)
	case *int32:
		n, _ := protowire.ConsumeVarint(field)
		*p = int32(n) // an int32 travels sign extended to 64 bits: the low half is the value
	case *int64:
		n, _ := protowire.ConsumeVarint(field)
		*p = int64(n) // the wire form is two's complement
	case *bool:
		n, _ := protowire.ConsumeVarint(field)
		*p = protowire.DecodeBool(n)
	case *float32:
		bits, _ := protowire.ConsumeFixed32(field)
		*p = math.Float32frombits(bits)
	case *float64:
		bits, _ := protowire.ConsumeFixed64(field)
		*p = math.Float64frombits(bits)
	}
	return nil
}

// lastField returns the bytes of the last occurrence of field 1 (protobuf: the last one wins), or nil without one.
func lastField(data []byte, want protowire.Type) ([]byte, error) {
	var last []byte
	for len(data) > 0 {
		number, wire, n := protowire.ConsumeTag(data)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		data = data[n:]
		n = protowire.ConsumeFieldValue(number, wire, data)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		if number == 1 {
			if wire != want {
				return nil, fmt.Errorf("field 1 has wire type %d where %d is expected", wire, want)
			}
			last = data[:n]
		}
		data = data[n:]
	}
	return last, nil
}
