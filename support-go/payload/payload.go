package payload

import (
	"errors"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Type URL prefixes of the three encodings (SPEC SER-01, SER-02, SER-04).
const (
	MessagePrefix   = "type.googleapis.com/"
	PrimitivePrefix = "p.cloudstate.io/"
	JSONPrefix      = "json.cloudstate.io/"
)

var (
	// ErrUnsupported says that a Go type has no encoding.
	ErrUnsupported = errors.New("no Cloudstate encoding for this Go type: " +
		"use a protobuf message, string, []byte, int32, int64, float32, float64, bool, or a type with a JSONType method")
	// ErrMissing says that a payload was expected and none was set.
	ErrMissing = errors.New("payload is missing")
	// ErrType says that a payload is of another type than the one asked for.
	ErrType = errors.New("payload has the wrong type")
	// ErrMalformed says that the bytes of a payload are not what its type URL promises.
	ErrMalformed = errors.New("payload is malformed")
)

// deterministic makes equal messages give equal bytes (SPEC SER-05), so that stores and tests may compare them.
var deterministic = proto.MarshalOptions{Deterministic: true}

// TypeURL returns the type URL under which values of type T travel. The error is [ErrUnsupported] when there is none.
func TypeURL[T any]() (string, error) {
	var zero T
	url := typeURL(sample(zero, reflect.TypeFor[T]()))
	if url == "" {
		return "", fmt.Errorf("%v: %w", reflect.TypeFor[T](), ErrUnsupported)
	}
	return url, nil
}

// Encode wraps a value. The error is [ErrUnsupported] for a type without an encoding, and otherwise says why the value
// cannot be written (a string that is not UTF-8, for instance).
func Encode(value any) (*anypb.Any, error) {
	url := typeURL(value)
	if url == "" {
		return nil, fmt.Errorf("%T: %w", value, ErrUnsupported)
	}
	var data []byte
	var err error
	switch v := value.(type) {
	case proto.Message:
		data, err = deterministic.Marshal(v)
	case JSON:
		data, err = encodeJSON(v)
	default:
		data, err = encodePrimitive(value)
	}
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", value, err)
	}
	return &anypb.Any{TypeUrl: url, Value: data}, nil
}

// Decode unwraps a value of type T. The error is [ErrMissing], [ErrType], [ErrMalformed] or [ErrUnsupported].
func Decode[T any](payload *anypb.Any) (T, error) {
	var value T
	if payload == nil {
		return value, ErrMissing
	}
	url, err := TypeURL[T]()
	if err != nil {
		return value, err
	}
	if payload.GetTypeUrl() != url {
		return value, fmt.Errorf("%w: %q where %q is expected", ErrType, payload.GetTypeUrl(), url)
	}
	value = Empty[T]()
	if message, ok := any(value).(proto.Message); ok {
		err = proto.Unmarshal(payload.GetValue(), message)
	} else if _, ok := sample(value, reflect.TypeFor[T]()).(JSON); ok {
		err = decodeJSON(payload.GetValue(), &value)
	} else {
		err = decodePrimitive(payload.GetValue(), &value)
	}
	if err != nil {
		return value, fmt.Errorf("%w: %s: %w", ErrMalformed, url, err)
	}
	return value, nil
}

// Empty returns a new empty message when T is a message type, and the zero T otherwise.
func Empty[T any]() T {
	var value T
	if message, ok := any(value).(proto.Message); ok {
		value, _ = message.ProtoReflect().Type().New().Interface().(T)
	}
	return value
}

// sample returns a value of the given type on which a method may be called: a nil pointer to a JSON type would panic
// where the method has a value receiver.
func sample(zero any, of reflect.Type) any {
	if _, ok := zero.(proto.Message); ok {
		return zero
	}
	if of.Kind() == reflect.Pointer {
		return reflect.New(of.Elem()).Interface()
	}
	return zero
}

func typeURL(value any) string {
	switch v := value.(type) {
	case proto.Message:
		return MessagePrefix + string(v.ProtoReflect().Descriptor().FullName())
	case JSON:
		return JSONPrefix + v.JSONType()
	default:
		if name := primitiveName(value); name != "" {
			return PrimitivePrefix + name
		}
		return ""
	}
}
