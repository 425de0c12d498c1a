package proxy

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// carrier is one kind of command that metadata travels with: it makes calls whose command the case looks at.
type carrier struct {
	id, entityType string
	// begin returns the method, the request, and what receives the next command's metadata and answers it.
	begin func(s *scene) carried
}

type carried struct {
	method            string
	request, response proto.Message
	answer            func(requirement string, reply *cloudstate.Metadata) *cloudstate.Metadata
}

func carriers() []carrier {
	entity := func(k *kind) carrier {
		return carrier{k.area, k.entityType, func(s *scene) carried {
			e := s.entity(k, k.model)
			var i *instance
			return carried{e.method(), k.request(e.id, ""), k.response("carried"), func(requirement string, reply *cloudstate.Metadata) *cloudstate.Metadata {
				if i == nil {
					i = e.opens(requirement)
				}
				got, err := i.recv(s.ctx)
				s.t.Check(err, suite.Failure{Requirement: requirement})
				i.last++
				var command *cloudstate.Command
				switch m := got.(type) {
				case *eventsourced.EventSourcedStreamIn:
					command = m.GetCommand()
				case *valueentity.ValueEntityStreamIn:
					command = m.GetCommand()
				}
				i.reply(answer{action: &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{
					Reply: &cloudstate.Reply{Payload: pack(k.response("carried")), Metadata: reply},
				}}})
				return command.GetMetadata()
			}}
		}}
	}
	one := func(f form) carrier {
		return carrier{f.id, suite.Action, func(s *scene) carried {
			s.claims(model.ActionService, f.name)
			return carried{f.method(), step("carried"), said("carried"), func(requirement string, reply *cloudstate.Metadata) *cloudstate.Metadata {
				h := s.handles(requirement, model.ActionService, f.name, f)
				command, err := h.Recv(s.ctx)
				s.t.Check(err, suite.Failure{Requirement: requirement})
				h.responds(&action.ActionResponse{Response: &action.ActionResponse_Reply{Reply: &cloudstate.Reply{Payload: pack(said("carried")), Metadata: reply}}})
				h.Complete()
				return command.GetMetadata()
			}}
		}}
	}
	return []carrier{entity(eventSourced), entity(valueBased), one(unary), one(streamedIn), one(streamedOut), one(streamed)}
}

func metadataCases() []suite.Case {
	var cases []suite.Case
	for _, c := range carriers() {
		on := func(name, title string, requirements []string, run func(s *scene, x carried)) suite.Case {
			made := servingCase("", title, []string{c.entityType}, requirements, func(s *scene) { run(s, c.begin(s)) })
			made.ID = "meta/proxy/" + c.id + "/" + name
			return made
		}
		cases = append(cases,
			on("request-headers", "custom request headers become the command's metadata: names in lower case, values as text, binary ones decoded",
				requires("META-02", "META-03", "META-04", "META-01", "META-14"), func(s *scene, x carried) {
					binary := []byte{0, 0xff, '\n', 0x80, ','}
					call := s.callWith(s.ctx, x.method, x.request, x.response, metadata.Pairs(
						"x-custom", "one", "X-Custom", "two", "x-custom", "three", "authorization", "Bearer 42", "cookie", "a=b; c=d",
						"x-many", "2", "x-many", "1", "x-many", "2", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "cache-control", "no-cache",
						"x-data-bin", string(binary), "x-data-bin", "second", "x-none-bin", "", "x-empty", ""))
					got := x.answer("META-02", nil)
					call.replies("META-02", x.response)
					sameEntries(s, got, []*cloudstate.MetadataEntry{
						text("x-custom", "one"), text("x-custom", "two"), text("x-custom", "three"), text("authorization", "Bearer 42"), text("cookie", "a=b; c=d"),
						text("x-many", "2"), text("x-many", "1"), text("x-many", "2"), text("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
						text("cache-control", "no-cache"), binaryEntry("x-data-bin", binary), binaryEntry("x-data-bin", []byte("second")),
						binaryEntry("x-none-bin", nil), text("x-empty", ""),
					})
				}),
			on("plain-client", "a client without custom headers causes no metadata", requires("META-14", "META-15"), func(s *scene, x carried) {
				call := s.callWith(s.ctx, x.method, x.request, x.response, nil)
				got := x.answer("META-14", nil)
				call.replies("META-14", x.response)
				s.t.Require(got == nil, suite.Failure{Requirement: "META-14", Expected: "a command without metadata", Got: "metadata {" + got.String() + "}"})
			}),
			on("transport-headers", "transport headers, and those kept for proxies, are not passed on", requires("META-15", "META-02", "META-03"),
				func(s *scene, x carried) {
					done := make(chan outcome, 1)
					go func() {
						got, err := s.exchange(exchange{method: x.method, message: encode(x.request), headers: [][2]string{
							{"Accept", "*/*"}, {"Accept-Language", "en"}, {"Accept-Encoding", "identity"}, {"Accept-Anything", "1"}, {"Content-Language", "de"}, {"Content-Anything", "1"},
							{"User-Agent", "the TCK's own"}, {"Grpc-Timeout", "60S"}, {"Grpc-Accept-Encoding", "identity"}, {"Grpc-Anything", "1"},
							{"Http2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"}, {"Cloudstate-Anything", "1"}, {"Cloudstate-", "1"}, {"Cloudstate-Entity-Id-Bin", "MQ=="},
							{"X-Passed", "yes"}, {"X-Upper", "Aa"}, {"Acceptable", "not a transport header's business"}, {"Cloudstates", "passed"}, {"X-Padded-Bin", base64.StdEncoding.EncodeToString([]byte("padded"))},
						}})
						if err != nil {
							got = outcome{code: codes.Unavailable, text: err.Error()}
						}
						done <- got
					}()
					got := x.answer("META-15", nil)
					(<-done).replies(s, "META-15", encode(x.response))
					// Every name that begins with "accept" is one of the transport headers.
					sameEntries(s, got, []*cloudstate.MetadataEntry{
						text("x-passed", "yes"), text("x-upper", "Aa"), text("cloudstates", "passed"), binaryEntry("x-padded-bin", []byte("padded")),
					})
				}),
			on("reply-headers", "the metadata of a reply is sent as response headers; entries that cannot be are dropped",
				requires("META-05", "META-06", "META-16", "META-01", "ACT-23"), func(s *scene, x carried) {
					stream, err := s.t.Client().Stream(s.ctx, x.method, nil)
					s.t.Check(err, suite.Failure{})
					if err := stream.Send(x.request); err != nil {
						s.t.KitFault(err)
					}
					if err := stream.CloseSend(); err != nil {
						s.t.KitFault(err)
					}
					x.answer("META-05", &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{
						text("x-reply", "one"), text("grpc-status", "13"), text("grpc-message", "wrong"), text(":status", "500"), text("content-type", "text/html"), text("content-length", "1"),
						text("x-reply", "two"), text("connection", "close"), text("transfer-encoding", "chunked"), text("te", "gzip"), text("cloudstate-entity", "x"), text("accept", "x"), text("host", "x"),
						text("bad name", "x"), text("", "x"), text("bäd", "x"), text("x-bad-text", "a\nb"), text("x-bad-unicode", "é"), binaryEntry("x-not-binary", []byte{1}), text("x-text-bin", "eA"),
						binaryEntry("x-reply-bin", []byte{0, 0xff, '\n'}), {Key: "x-no-value"}, text("x-reply", "one"), text("trailer", "x"), text("upgrade", "x"), text("x-last", "100 % ~"),
					}})
					reply := x.response.ProtoReflect().New().Interface()
					s.t.Check(stream.Recv(reply), suite.Failure{Requirement: "META-06", Expected: "the reply, whatever its metadata", Remedy: "drop what cannot be a header; send the rest"})
					s.t.Equal(x.response, reply, suite.Failure{Requirement: "META-06"})
					header := stream.Answer().Header
					for name, want := range map[string][]string{
						"x-reply": {"one", "two", "one"}, "x-reply-bin": {"\x00\xff\n"}, "x-last": {"100 % ~"},
					} {
						requirement := "META-05"
						if strings.HasSuffix(name, "-bin") {
							requirement = "META-16"
						}
						s.t.Require(slices.Equal(header.Get(name), want), suite.Failure{
							Requirement: requirement, Expected: fmt.Sprintf("response headers %s: %q", name, want), Got: fmt.Sprintf("%q among %v", header.Get(name), header),
						})
					}
					for _, name := range []string{"cloudstate-entity", "x-bad-text", "x-bad-unicode", "x-not-binary", "x-text-bin", "bad name", "bäd", "accept", "te", "host", "upgrade", "connection", "transfer-encoding"} {
						s.t.Require(len(header.Get(name)) == 0, suite.Failure{
							Requirement: "META-06", Expected: "no response header " + name, Got: fmt.Sprintf("%q", header.Get(name)),
						})
					}
					s.t.Require(!slices.Contains(header.Get("content-type"), "text/html"), suite.Failure{
						Requirement: "META-06", Expected: "gRPC's own content type", Got: fmt.Sprint(header.Get("content-type")),
					})
				}),
		)
	}
	return cases
}

func text(name, value string) *cloudstate.MetadataEntry {
	return &cloudstate.MetadataEntry{Key: name, Value: &cloudstate.MetadataEntry_StringValue{StringValue: value}}
}

func binaryEntry(name string, value []byte) *cloudstate.MetadataEntry {
	return &cloudstate.MetadataEntry{Key: name, Value: &cloudstate.MetadataEntry_BytesValue{BytesValue: value}}
}

// sameEntries requires exactly these entries. Between different names the order has no meaning, since clients' libraries do not keep it.
func sameEntries(s *scene, got *cloudstate.Metadata, want []*cloudstate.MetadataEntry) {
	byName := func(entries []*cloudstate.MetadataEntry) *cloudstate.Metadata {
		sorted := slices.Clone(entries)
		slices.SortStableFunc(sorted, func(a, b *cloudstate.MetadataEntry) int { return strings.Compare(a.GetKey(), b.GetKey()) })
		return &cloudstate.Metadata{Entries: sorted}
	}
	wanted, gotten := byName(want), byName(got.GetEntries())
	if proto.Equal(wanted, gotten) {
		return
	}
	has := func(m *cloudstate.Metadata, e *cloudstate.MetadataEntry) bool {
		return slices.ContainsFunc(m.GetEntries(), func(o *cloudstate.MetadataEntry) bool { return o.GetKey() == e.GetKey() })
	}
	for _, e := range gotten.GetEntries() {
		if !has(wanted, e) {
			s.t.Fail(suite.Failure{Requirement: "META-15", Expected: "no metadata entry " + e.GetKey(), Got: trace.Text(e)})
		}
	}
	for _, e := range wanted.GetEntries() {
		if !has(gotten, e) {
			s.t.Fail(suite.Failure{Requirement: "META-02", Expected: "the metadata entry " + trace.Text(e), Got: trace.Text(gotten)})
		}
	}
	s.t.Equal(wanted, gotten, suite.Failure{Requirement: "META-01", Remedy: "entries with equal names keep their order and their values"})
}
