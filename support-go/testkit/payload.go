package testkit

import (
	"strings"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/support-go/payload"
)

// JSON is an event or a snapshot that travelled as JSON, whose Go type a kit does not know. Text is for encoding/json;
// [Result.WantEvents] takes the Go value itself.
type JSON struct {
	Type string // what the JSONType method returned
	Text string
}

func encode(t T, what string, value any) *anypb.Any {
	t.Helper()
	encoded, err := payload.Encode(value)
	if err != nil {
		t.Fatalf("testkit: %s: %v", what, err)
	}
	return encoded
}

// decode gives the Go value of a payload: a protobuf message, a primitive or a [JSON]. What cannot be read stays a payload.
func decode(encoded *anypb.Any) any {
	url := encoded.GetTypeUrl()
	if name, ok := strings.CutPrefix(url, payload.JSONPrefix); ok {
		// JSON is written like a text primitive, under another type URL (SPEC SER-04).
		text, err := payload.Decode[string](&anypb.Any{TypeUrl: payload.PrimitivePrefix + "string", Value: encoded.GetValue()})
		if err == nil {
			return JSON{Type: name, Text: text}
		}
	}
	if strings.HasPrefix(url, payload.MessagePrefix) {
		if message, err := encoded.UnmarshalNew(); err == nil {
			return message
		}
	}
	for _, primitive := range primitives {
		if value, ok := primitive(encoded); ok {
			return value
		}
	}
	return encoded
}

var primitives = []func(*anypb.Any) (any, bool){
	decodeAs[string], decodeAs[[]byte], decodeAs[int32], decodeAs[int64], decodeAs[float32], decodeAs[float64], decodeAs[bool],
}

func decodeAs[E any](encoded *anypb.Any) (any, bool) {
	value, err := payload.Decode[E](encoded)
	return value, err == nil
}

func decodeAll(encoded []*anypb.Any) []any {
	values := make([]any, len(encoded))
	for i, one := range encoded {
		values[i] = decode(one)
	}
	return values
}
