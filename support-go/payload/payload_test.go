package payload_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/support-go/payload"
)

// event is a type that is stored as JSON.
type event struct {
	Name  string         `json:"name"`
	Count map[string]int `json:"count,omitempty"`
}

func (event) JSONType() string { return "my.Event" }

// TestWire holds the encodings against the bytes that SER-01 to SER-04 ask for.
func TestWire(t *testing.T) {
	for _, c := range []struct {
		value any
		url   string
		bytes string // hex
	}{
		{"", "p.cloudstate.io/string", ""},
		{"abc", "p.cloudstate.io/string", "0a03616263"},
		{[]byte(nil), "p.cloudstate.io/bytes", ""},
		{[]byte{0}, "p.cloudstate.io/bytes", "0a0100"},
		{int32(0), "p.cloudstate.io/int32", ""},
		{int32(-1), "p.cloudstate.io/int32", "08ffffffffffffffffff01"},
		{int64(300), "p.cloudstate.io/int64", "08ac02"},
		{float32(1), "p.cloudstate.io/float", "0d0000803f"},
		{float64(0), "p.cloudstate.io/double", ""},
		{math.Copysign(0, -1), "p.cloudstate.io/double", "090000000000000080"},
		{false, "p.cloudstate.io/bool", ""},
		{true, "p.cloudstate.io/bool", "0801"},
		{event{Name: "é", Count: map[string]int{"b": 2, "a": 1}}, "json.cloudstate.io/my.Event", "0a23" + hex.EncodeToString([]byte(`{"name":"é","count":{"a":1,"b":2}}`))},
		{wrapperspb.String("abc"), "type.googleapis.com/google.protobuf.StringValue", "0a03616263"},
	} {
		got, err := payload.Encode(c.value)
		if err != nil {
			t.Errorf("%T: %v", c.value, err)
			continue
		}
		want, _ := hex.DecodeString(c.bytes)
		if got.GetTypeUrl() != c.url || !bytes.Equal(got.GetValue(), want) {
			t.Errorf("%T %v: %s %x, want %s %x", c.value, c.value, got.GetTypeUrl(), got.GetValue(), c.url, want)
		}
	}
}

// TestLenient: a missing field is the default, unknown fields are skipped, the last occurrence wins (SER-07).
func TestLenient(t *testing.T) {
	decodes(t, "", "p.cloudstate.io/string", "")
	decodes(t, event{}, "json.cloudstate.io/my.Event", "")
	decodes(t, "b", "p.cloudstate.io/string", "1001"+"0a0161"+"0a0162"+"1a0163")
	decodes(t, int64(7), "p.cloudstate.io/int64", "0807"+"1200")
}

func decodes[T any](t *testing.T, want T, url, data string) {
	t.Helper()
	raw, err := hex.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := payload.Decode[T](&anypb.Any{TypeUrl: url, Value: raw})
	if err != nil {
		t.Error(err)
	}
	a, _ := payload.Encode(want)
	if b, _ := payload.Encode(got); !proto.Equal(a, b) {
		t.Errorf("%s %s: %v, want %v", url, data, got, want)
	}
}

// TestRefused: what is not the type asked for, or not what it says to be, is an error that says so.
func TestRefused(t *testing.T) {
	refuses[string](t, payload.ErrMissing, nil)
	refuses[string](t, payload.ErrType, &anypb.Any{TypeUrl: "p.cloudstate.io/bytes"})
	refuses[string](t, payload.ErrType, &anypb.Any{TypeUrl: "type.googleapis.com/string"})
	refuses[string](t, payload.ErrMalformed, &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte{0x0a, 1, 0xff}}) // not UTF-8
	refuses[string](t, payload.ErrMalformed, &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte{0x08, 1}})       // a varint
	refuses[int64](t, payload.ErrMalformed, &anypb.Any{TypeUrl: "p.cloudstate.io/int64", Value: []byte{0x08}})            // cut off
	refuses[event](t, payload.ErrMalformed, &anypb.Any{TypeUrl: "json.cloudstate.io/my.Event", Value: []byte{0x0a, 1, '{'}})
	refuses[*wrapperspb.StringValue](t, payload.ErrMalformed, &anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.StringValue", Value: []byte{0xff}})
	refuses[int](t, payload.ErrUnsupported, &anypb.Any{})
	refuses[proto.Message](t, payload.ErrUnsupported, &anypb.Any{})
	for _, value := range []any{nil, 1, struct{}{}, uint64(1)} {
		if _, err := payload.Encode(value); !errors.Is(err, payload.ErrUnsupported) {
			t.Errorf("encode %T: %v", value, err)
		}
	}
	if _, err := payload.Encode("\xff"); err == nil {
		t.Error("a string that is not UTF-8 was encoded")
	}
}

func refuses[T any](t *testing.T, want error, in *anypb.Any) {
	t.Helper()
	if got, err := payload.Decode[T](in); !errors.Is(err, want) {
		t.Errorf("%v: %v, %v, want %v", in, got, err, want)
	}
}

// TestRoundTrip: what is encoded is decoded to the same, for any value; equal values give equal bytes (SER-05).
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		roundTrips(t, rapid.String().Draw(t, "string"))
		roundTrips(t, rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		roundTrips(t, rapid.Int32().Draw(t, "int32"))
		roundTrips(t, rapid.Int64().Draw(t, "int64"))
		roundTrips(t, rapid.Float32().Draw(t, "float"))
		roundTrips(t, rapid.Float64().Draw(t, "double"))
		roundTrips(t, rapid.Bool().Draw(t, "bool"))
		roundTrips(t, event{Name: rapid.String().Draw(t, "name"), Count: rapid.MapOf(rapid.String(), rapid.Int()).Draw(t, "count")})
		roundTrips(t, &event{Name: rapid.String().Draw(t, "pointer")})
		fields := map[string]*structpb.Value{}
		for _, key := range rapid.SliceOf(rapid.String()).Draw(t, "fields") {
			fields[key] = structpb.NewStringValue(key)
		}
		roundTrips(t, &structpb.Struct{Fields: fields})
	})
}

func roundTrips[T any](t *rapid.T, value T) {
	encoded, err := payload.Encode(value)
	if err != nil {
		t.Fatal(err)
	}
	if url, err := payload.TypeURL[T](); err != nil || url != encoded.GetTypeUrl() {
		t.Fatalf("type URL %q, %v, but %q on the wire", url, err, encoded.GetTypeUrl())
	}
	decoded, err := payload.Decode[T](encoded)
	if err != nil {
		t.Fatal(err)
	}
	again, err := payload.Encode(decoded)
	if err != nil || !proto.Equal(encoded, again) {
		t.Fatalf("%v became %v (%v)", value, decoded, err)
	}
}

// FuzzDecode: no bytes make decoding panic, and what is decoded can be encoded again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"", "0a03616263", "08ffffffffffffffffff01", "0d0000803f", "090000000000000080", "0a027b7d", "ff", "0a05", "1001"} {
		data, _ := hex.DecodeString(seed)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again[string](t, data)
		again[[]byte](t, data)
		again[int32](t, data)
		again[int64](t, data)
		again[float32](t, data)
		again[float64](t, data)
		again[bool](t, data)
		again[event](t, data)
		again[*structpb.Struct](t, data)
	})
}

func again[T any](t *testing.T, data []byte) {
	t.Helper()
	url, err := payload.TypeURL[T]()
	if err != nil {
		t.Fatal(err)
	}
	value, err := payload.Decode[T](&anypb.Any{TypeUrl: url, Value: data})
	if err != nil {
		return
	}
	if _, err := payload.Encode(value); err != nil {
		t.Errorf("%x was decoded to %v, which cannot be encoded: %v", data, value, err)
	}
}
