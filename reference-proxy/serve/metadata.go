package serve

import (
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// transportHeaders belong to the connection or to the proxy, and are passed on in
// neither direction (META-15); so are the prefixes below.
var transportHeaders = map[string]bool{
	"host": true, "user-agent": true, "te": true, "trailer": true, "connection": true, "proxy-connection": true,
	"keep-alive": true, "transfer-encoding": true, "upgrade": true, "http2-settings": true, "expect": true,
}

func transport(name string) bool {
	if name == "" || name[0] == ':' || transportHeaders[name] {
		return true
	}
	for _, prefix := range [...]string{"grpc-", "content-", "accept", "cloudstate-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// maxCommandMetadata bounds what headers add to a command, in bytes, so that with the longest entity id and the longest
// names in use the command has at most 64 KiB more than the client's message (LIM-24).
const maxCommandMetadata = 32 << 10

// commandMetadata encodes a call's custom headers as a cloudstate.Metadata; nil when
// there are none, so that a plain client's command carries no metadata (ES-17).
func commandMetadata(md metadata.MD) []byte {
	var out, entry []byte
	for name, values := range md {
		if transport(name) {
			continue
		}
		field := protowire.Number(2)
		if strings.HasSuffix(name, "-bin") {
			field = 3 // grpc has decoded it (META-04)
		}
		for _, v := range values {
			if field == 2 && !utf8.ValidString(v) {
				continue // no string_value could carry it
			}
			entry = protowire.AppendTag(entry[:0], 1, protowire.BytesType)
			entry = protowire.AppendString(entry, name)
			entry = protowire.AppendTag(entry, field, protowire.BytesType)
			entry = protowire.AppendString(entry, v)
			out = protowire.AppendTag(out, 1, protowire.BytesType)
			out = protowire.AppendBytes(out, entry)
		}
	}
	return out
}

// responseHeaders turns a reply's metadata into headers and drops what a header
// cannot be (META-05, META-06, META-16).
func responseHeaders(md *cloudstate.Metadata) metadata.MD {
	out := metadata.MD{}
	for _, e := range md.GetEntries() {
		name := strings.ToLower(e.GetKey())
		if transport(name) || !token(name) {
			continue
		}
		binary := strings.HasSuffix(name, "-bin")
		switch v := e.GetValue().(type) {
		case *cloudstate.MetadataEntry_StringValue:
			if !binary && printable(v.StringValue) {
				out.Append(name, v.StringValue)
			}
		case *cloudstate.MetadataEntry_BytesValue:
			if binary {
				out.Append(name, string(v.BytesValue))
			}
		}
	}
	return out
}

// token says whether name is legal as a gRPC header name.
func token(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return name != ""
}

// printable says whether v is legal as a gRPC header value: visible ASCII and space.
func printable(v string) bool {
	for i := range len(v) {
		if v[i] < 0x20 || v[i] > 0x7e {
			return false
		}
	}
	return true
}
