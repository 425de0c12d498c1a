package serve

import (
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// META-02 to META-04, META-14, META-15, ES-17: custom headers go along, the connection's stay.
func TestCommandMetadata(t *testing.T) {
	if got := commandMetadata(metadata.MD{
		":authority": {"x"}, "content-type": {"application/grpc"}, "user-agent": {"grpc-go"}, "grpc-accept-encoding": {"gzip"},
		"te": {"trailers"}, "accept-language": {"de"}, "cloudstate-hop": {"1"}, "host": {"x"}, "connection": {"close"},
	}); got != nil {
		t.Errorf("a plain client's call has metadata %x, want none", got)
	}
	got := &cloudstate.Metadata{}
	if err := proto.Unmarshal(commandMetadata(metadata.MD{"x-one": {"a", "b"}, "x-two-bin": {"\x00\xff"}}), got); err != nil {
		t.Fatal(err)
	}
	byKey := map[string][]*cloudstate.MetadataEntry{}
	for _, e := range got.GetEntries() {
		byKey[e.GetKey()] = append(byKey[e.GetKey()], e)
	}
	if one := byKey["x-one"]; len(one) != 2 || one[0].GetStringValue() != "a" || one[1].GetStringValue() != "b" {
		t.Errorf("x-one: %v, want a then b", one)
	}
	if two := byKey["x-two-bin"]; len(two) != 1 || string(two[0].GetBytesValue()) != "\x00\xff" {
		t.Errorf("x-two-bin: %v, want its bytes", two)
	}
	if len(got.GetEntries()) != 3 {
		t.Errorf("%d entries, want 3: %v", len(got.GetEntries()), got)
	}
}

// META-05, META-06, META-16: what cannot be a header is dropped, the rest is sent.
func TestResponseHeaders(t *testing.T) {
	text := func(k, v string) *cloudstate.MetadataEntry {
		return &cloudstate.MetadataEntry{Key: k, Value: &cloudstate.MetadataEntry_StringValue{StringValue: v}}
	}
	binary := func(k, v string) *cloudstate.MetadataEntry {
		return &cloudstate.MetadataEntry{Key: k, Value: &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte(v)}}
	}
	got := responseHeaders(&cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
		text("X-Upper", "kept"), text("x-upper", "too"), binary("x-raw-bin", "\x00"), text("x-empty", ""),
		text("content-type", "no"), text(":status", "no"), text("grpc-status", "no"), text("cloudstate-x", "no"),
		text("x space", "no"), text("x-newline", "a\r\nb"), text("x-umlaut", "ü"), text("", "no"), text("x-text-bin", "no"),
		binary("x-not-binary", "no"), {Key: "x-nothing"},
	}})
	want := metadata.MD{"x-upper": {"kept", "too"}, "x-raw-bin": {"\x00"}, "x-empty": {""}}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for k, v := range want {
		if strings.Join(got[k], "|") != strings.Join(v, "|") {
			t.Errorf("%s: %q, want %q", k, got[k], v)
		}
	}
}

// FuzzHeaders: whatever clients and user functions put into headers, what is passed on is legal where it goes.
func FuzzHeaders(f *testing.F) {
	f.Add("x-one", "value")
	f.Add("X-Two-Bin", "\xff\x00")
	f.Add("content-type", "")
	f.Add("a b", "\r\n")
	f.Fuzz(func(t *testing.T, name, value string) {
		encoded := commandMetadata(metadata.MD{strings.ToLower(name): {value}})
		if utf8.ValidString(name) { // HTTP/2 lets nothing else in
			if err := proto.Unmarshal(encoded, &cloudstate.Metadata{}); err != nil {
				t.Fatalf("command metadata %x: %v", encoded, err)
			}
		}
		for k, vs := range responseHeaders(&cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
			{Key: name, Value: &cloudstate.MetadataEntry_StringValue{StringValue: value}},
			{Key: name, Value: &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte(value)}},
		}}) {
			if transport(k) || !token(k) {
				t.Fatalf("header %q leaves the proxy", k)
			}
			for _, v := range vs {
				if !strings.HasSuffix(k, "-bin") && !printable(v) {
					t.Fatalf("header %q leaves with %q", k, v)
				}
			}
		}
	})
}
