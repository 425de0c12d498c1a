package proxy

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// grpcMessage is the status message of err, exactly as it came.
func grpcMessage(err error) string { return status.Convert(err).Message() }

// keyed is a request with these bytes as its one string key, in field 1.
func keyed(key string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), key)
}

// keyCases are about keys that the shared services show; the permutations of descriptors show all others.
func keyCases(k *kind) []suite.Case {
	needs := []string{k.entityType}
	return []suite.Case{
		servingCase(k.area+"/key-unreadable", "a request whose key cannot be read, is not UTF-8 or is empty is answered INVALID_ARGUMENT, and opens no stream", needs,
			requires("SERV-41", "SERV-49", "SERV-50"), func(s *scene) {
				other := s.t.ID("other")
				s.other = other
				for _, bad := range []struct {
					requirement string
					body        []byte
				}{
					{"SERV-49", nil}, {"SERV-49", keyed("")}, {"SERV-49", append(keyed("x"), keyed("")...)},
					{"SERV-49", protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 7)},
					{"SERV-50", keyed("\xff")}, {"SERV-50", keyed("a\xc0\xafb")}, {"SERV-50", keyed("\xed\xa0\x80")},
					{"SERV-41", []byte{0x0a}}, {"SERV-41", []byte{0x0a, 0x7f, 'x'}}, {"SERV-41", []byte{0xff, 0xff, 0xff}}, {"SERV-41", []byte{0x07}},
				} {
					_, _, err := s.t.Client().UnaryBytes(s.ctx, "/"+k.model+"/Process", bad.body, nil)
					s.t.Status(err, codes.InvalidArgument, "", suite.Failure{
						Requirement: bad.requirement, Remedy: fmt.Sprintf("the request was %x", bad.body),
					})
				}
				s.roundTrips(2)
				for _, m := range s.t.Trace().Messages() {
					fresh := m.Kind == trace.Open && m.From == trace.Proxy && strings.HasPrefix(m.Method, "/"+k.entityType+"/")
					s.t.Require(!fresh || s.mine(m.Stream), suite.Failure{
						Requirement: "SERV-49", Expected: "no stream for a request without a valid key", Got: m.String(),
					})
				}
			}),
		servingCase(k.area+"/key-verbatim", "a single key is the entity id verbatim, whatever characters it has, and its last occurrence counts", needs,
			requires("SERV-42", "SERV-13", "SERV-48"), func(s *scene) {
				for _, part := range []string{"-", `\`, `a-b\c\-`, "/", " ", "é\U0001f600", "\x00", "\n", "%2F", `"`, strings.Repeat("long", 100)} {
					e := s.entityOf(k, k.model, s.t.ID("key")+part)
					body := append(keyed("an earlier one"), keyed(e.id)...)
					c := s.callBytes(s.ctx, e.method(), body)
					i := e.opens("SERV-42")
					i.last++
					payload := pack(k.request("", ""))
					payload.Value = body
					i.expect("SERV-42", k.command(&cloudstate.Command{EntityId: e.id, Id: 1, Name: e.command(), Payload: payload}))
					i.replies("found")
					c.replies("SERV-42", encode(k.response("found")))
				}
			}),
	}
}

// mine reports whether the stream is one of those that roundTrips caused.
func (s *scene) mine(stream trace.StreamID) bool {
	for _, m := range s.t.Trace().Messages() {
		if m.Stream == stream && m.Kind == trace.Data && m.Payload != nil && strings.Contains(trace.Text(m.Payload), s.other) {
			return true
		}
	}
	return false
}
