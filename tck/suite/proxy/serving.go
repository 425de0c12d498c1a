package proxy

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

func servingCases() []suite.Case {
	return slices.Concat(
		servingCallCases(),
		servingEntityCases(eventSourced), servingEntityCases(valueBased),
		servingCodeCases(),
		servingCallerCases(eventSourced), servingCallerCases(valueBased),
		keyCases(eventSourced), keyCases(valueBased),
		reflectionCases(),
	)
}

// servingCase makes a case on the shared proxy that needs these entity types.
func servingCase(name, title string, needs, requirements []string, run func(s *scene)) suite.Case {
	return suite.Case{
		ID: "serv/proxy/" + name, Title: title, Requirements: requirements, Kind: suite.Proxy, Needs: needs,
		Run: func(ctx context.Context, t *suite.T) { run(shared(ctx, t)) },
	}
}

// bytesCall is a client's call with bytes, in progress or done.
type bytesCall struct {
	s     *scene
	reply []byte
	err   error
	done  chan struct{}
}

func (s *scene) callBytes(ctx context.Context, method string, request []byte) *bytesCall {
	c := &bytesCall{s: s, done: make(chan struct{})}
	client := s.client
	if client == nil {
		client = s.t.Client()
	}
	go func() {
		defer close(c.done)
		c.reply, _, c.err = client.UnaryBytes(ctx, method, request, nil)
	}()
	return c
}

func (c *bytesCall) replies(requirement string, want []byte) {
	<-c.done
	c.s.t.Check(c.err, suite.Failure{Requirement: requirement, Expected: fmt.Sprintf("the reply %x", want)})
	c.s.t.Require(bytes.Equal(c.reply, want), suite.Failure{
		Requirement: requirement, Expected: fmt.Sprintf("exactly the bytes %x", want), Got: fmt.Sprintf("%x", c.reply),
		Remedy: "pass messages on as bytes; do not decode and encode them again",
	})
}

// encode is m on the wire.
func encode(m proto.Message) []byte {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic("proxy: the kit cannot encode its own message: " + err.Error()) //nolint:forbidigo // the messages are literals of the cases
	}
	return body
}

// odd is body in a form that no library would write: unknown fields, known only to the peer, around what was there, and a varint that is
// longer than it need be.
func odd(body []byte) []byte {
	out := protowire.AppendTag(nil, 1001, protowire.VarintType)
	out = append(out, 0x81, 0x80, 0x00)
	out = append(out, body...)
	out = protowire.AppendTag(out, 1000, protowire.BytesType)
	return protowire.AppendBytes(out, []byte{0, 0xff, 0xfe, '\n'})
}

// servingCallCases are about calls as such, whatever serves them.
func servingCallCases() []suite.Case {
	acts := []string{suite.Action}
	return []suite.Case{
		servingCase("unknown", "a call to a service or method that is not served is answered UNIMPLEMENTED, and the connection lives on", nil,
			requires("SERV-06", "SERV-29"), func(s *scene) {
				client := s.connect()
				for range 2 {
					for _, method := range []string{
						"/no.such.Service/Method", "/Service/Method", "/" + model.EventSourcedService + "/NoSuchMethod", "/" + model.ActionService + "/processUnary",
						"/" + model.ValueEntityService + "/Process/", "/" + model.ValueEntityService + "/", "/" + model.ActionService, "//", "/x",
						"/cloudstate.EntityDiscovery/discover", "/cloudstate.eventsourced.EventSourced/handle",
					} {
						_, _, err := client.UnaryBytes(s.ctx, method, nil, nil)
						s.t.Status(err, codes.Unimplemented, "", suite.Failure{Remedy: "the path was " + method})
					}
				}
				s.roundTrips(1)
			}),
		servingCase("http2", "gRPC is served over cleartext HTTP/2 with prior knowledge, for both content types", acts, requires("SERV-02", "SERV-03"),
			func(s *scene) {
				for _, contentType := range []string{"application/grpc", "application/grpc+proto"} {
					s.http("SERV-02", exchange{method: unary.method(), contentType: contentType, message: encode(step("here"))}).
						replies(s, "SERV-03", encode(said("here")))
				}
			}),
		servingCase("gzip-request", "a request that is compressed with gzip is served", acts, requires("SERV-04"), func(s *scene) {
			text := string(bytes.Repeat([]byte("compressible "), 1000))
			s.http("SERV-04", exchange{method: unary.method(), message: encode(step(text)), gzip: true, headers: [][2]string{{"Grpc-Accept-Encoding", "gzip"}}}).
				replies(s, "SERV-04", encode(said(text)))
		}),
		servingCase("gzip-response", "no response is compressed for a client that does not offer to read it", acts, requires("SERV-32"), func(s *scene) {
			text := string(bytes.Repeat([]byte("compressible "), 1000))
			for _, compressed := range []bool{false, true} {
				for _, headers := range [][][2]string{nil, {{"Grpc-Accept-Encoding", "identity"}}, {{"Accept-Encoding", "gzip"}}} {
					got := s.http("SERV-32", exchange{method: unary.method(), message: encode(step(text)), gzip: compressed, headers: headers})
					s.t.Require(!got.compressed, suite.Failure{
						Expected: fmt.Sprintf("a response that is not compressed (request compressed: %t, headers %v)", compressed, headers),
						Got:      "a compressed message, grpc-encoding " + got.header.Get("Grpc-Encoding"),
						Remedy:   "compress only with what grpc-accept-encoding offers, whatever the request was compressed with",
					})
					got.replies(s, "SERV-32", encode(said(text)))
				}
			}
		}),
		servingCase("deadline", "a call whose deadline passes before its answer is there is answered DEADLINE_EXCEEDED by the proxy", acts, requires("SERV-38"),
			func(s *scene) {
				s.claims(model.ActionService, unary.name)
				got := s.http("SERV-38", exchange{method: unary.method(), message: encode(step("slow")), headers: [][2]string{{"Grpc-Timeout", "300m"}}})
				got.late(s)
			}),
		servingCase("connection", "whatever fails, other calls on the client's connection are unharmed", []string{suite.Action, suite.EventSourced},
			requires("SERV-29"), func(s *scene) {
				s.client = s.connect()
				s.claims(model.ActionService, streamed.name)
				c := s.opens(streamed, nil)
				h := s.handles("SERV-29", model.ActionService, streamed.name, streamed)
				h.begins("SERV-29", streamed, "", nil)
				lives := func(after string) {
					c.says(after)
					h.gets("SERV-29", after)
					h.replies(after)
					c.gets("SERV-29", after)
				}
				lives("at first")
				// Of these, each is an error of another kind.
				_, _, err := s.client.UnaryBytes(s.ctx, "/no.such.Service/Method", nil, nil)
				s.t.Status(err, codes.Unimplemented, "", suite.Failure{Requirement: "SERV-06"})
				lives("after an unknown service")
				_, _, err = s.client.UnaryBytes(s.ctx, "/"+model.EventSourcedService+"/Process", []byte{0x0a, 0x7f}, nil)
				s.t.Status(err, codes.InvalidArgument, "", suite.Failure{Requirement: "SERV-41"})
				lives("after a request that cannot be read")
				e := s.entity(eventSourced, eventSourced.model)
				failing := e.call("")
				i := e.opens("SERV-29")
				i.command("SERV-29", "")
				i.Fail(codes.Internal, "the stream breaks")
				failing.fails("SERV-29", codes.Unknown, "")
				lives("after a broken entity stream")
				var cancels []context.CancelFunc
				for range 10 {
					ctx, cancel := context.WithCancel(s.ctx)
					cancels = append(cancels, cancel)
					stream, err := s.client.Stream(ctx, streamed.method(), nil)
					s.t.Check(err, suite.Failure{})
					_ = stream
				}
				for _, cancel := range cancels {
					cancel()
				}
				lives("after ten cancelled calls")
				c.closes()
				h.halfClosed("SERV-29")
				h.Complete()
				c.completes("SERV-29")
			}),
		servingCase("bytes-action", "request and reply bytes of an action pass unchanged", acts, requires("SERV-07", "SERV-08"), func(s *scene) {
			s.claims(model.ActionService, unary.name)
			for _, body := range [][]byte{odd(encode(step("odd"))), {}, odd(nil)} {
				c := s.callBytes(s.ctx, unary.method(), body)
				h := s.handles("SERV-07", model.ActionService, unary.name, unary)
				got, err := h.Recv(s.ctx)
				s.t.Check(err, suite.Failure{})
				want := &anypb.Any{TypeUrl: "type.googleapis.com/cloudstate.tck.model.action.Request", Value: body}
				s.t.Equal(want, got.GetPayload(), suite.Failure{Requirement: "SERV-07"})
				reply := odd(encode(said(fmt.Sprint(len(body)))))
				if len(body) == 0 {
					reply = nil
				}
				h.responds(actPayload(&anypb.Any{TypeUrl: "elsewhere.example/types/cloudstate.tck.model.action.Response", Value: reply}))
				c.replies("SERV-08", reply)
			}
		}),
	}
}

// servingEntityCases are about calls on entities.
func servingEntityCases(k *kind) []suite.Case {
	needs := []string{k.entityType}
	responseURL := func() string { return pack(k.response("")).GetTypeUrl() }
	return []suite.Case{
		servingCase(k.area+"/bytes", "request and reply bytes pass unchanged", needs, requires("SERV-07", "SERV-08"), func(s *scene) {
			e := s.entity(k, k.model)
			var i *instance
			for n, reply := range [][]byte{odd(encode(k.response("odd"))), {}, odd(nil)} {
				body := odd(encode(k.request(e.id, fmt.Sprint("request ", n))))
				c := s.callBytes(s.ctx, e.method(), body)
				if i == nil {
					i = e.opens("SERV-07")
				}
				i.last++
				i.expect("SERV-07", k.command(&cloudstate.Command{
					EntityId: e.id, Id: i.last, Name: e.command(),
					Payload: &anypb.Any{TypeUrl: pack(k.request("", "")).GetTypeUrl(), Value: body},
				}))
				i.reply(answer{action: replyWith(&anypb.Any{TypeUrl: responseURL(), Value: reply})})
				c.replies("SERV-08", reply)
			}
		}),
		servingCase(k.area+"/wrong-type", "a reply of another type than the method's output is answered INTERNAL, and its state changes are kept", needs,
			requires("SERV-09"), func(s *scene) {
				e := s.entity(k, k.model)
				c := e.call("first")
				i := e.opens("SERV-09")
				var kept []string
				for n, url := range []string{
					pack(k.request("", "")).GetTypeUrl(), "", "/", "cloudstate.tck.model.Response", responseURL() + "s", "type.googleapis.com/" + "x" + responseURL()[len("type.googleapis.com/"):],
				} {
					if n > 0 {
						c = e.call("first")
					}
					i.command("SERV-09", "first")
					kept = append(kept, fmt.Sprint("kept ", n))
					i.reply(answer{action: replyWith(&anypb.Any{TypeUrl: url, Value: encode(k.response("not to be seen"))}), writes: kept[n:]})
					c.fails("SERV-09", codes.Internal, "")
				}
				i.restart("SERV-09", kept...)
			}),
		servingCase(k.area+"/any-host", "only the part of the type URL after the last slash matters", needs, requires("SERV-09", "SERV-08"), func(s *scene) {
			e := s.entity(k, k.model)
			c := e.call("")
			i := e.opens("SERV-09")
			i.command("SERV-09", "")
			name := string(k.response("").ProtoReflect().Descriptor().FullName())
			i.reply(answer{action: replyWith(&anypb.Any{TypeUrl: "elsewhere.example/types/" + name, Value: encode(k.response("here"))})})
			c.replies("SERV-09", k.response("here"))
			c = e.call("")
			i.command("SERV-09", "")
			i.reply(answer{action: replyWith(&anypb.Any{TypeUrl: "/" + name, Value: encode(k.response("and here"))})})
			c.replies("SERV-09", k.response("and here"))
		}),
		servingCase(k.area+"/no-answer", "a reply without client action or payload is answered INTERNAL, and its state changes are kept", needs,
			requires("SERV-31"), func(s *scene) {
				e := s.entity(k, k.model)
				c := e.call("nothing")
				i := e.opens("SERV-31")
				i.command("SERV-31", "nothing")
				i.reply(answer{writes: []string{"A"}})
				c.fails("SERV-31", codes.Internal, "")
				for n, action := range []*cloudstate.ClientAction{{}, replyWith(nil)} {
					c = e.call("nothing")
					i.command("SERV-31", "nothing")
					i.reply(answer{action: action, writes: []string{fmt.Sprint("B", n)}})
					c.fails("SERV-31", codes.Internal, "")
				}
				i.asks("SERV-31", "next")
				i.restart("SERV-31", "A", "B0", "B1")
			}),
		servingCase(k.area+"/own-instance", "each of many calls at the same time reaches the instance of its own id, and only once", needs,
			requires("SERV-19", "SERV-13"), func(s *scene) {
				var entities []*entity
				var calls []*call
				for range 20 {
					e := s.entity(k, k.model)
					entities = append(entities, e)
					calls = append(calls, e.call("mine "+e.id))
				}
				for n := len(entities) - 1; n >= 0; n-- {
					e := entities[n]
					i := e.opens("SERV-19")
					i.command("SERV-19", "mine "+e.id)
					i.replies("for " + e.id)
					calls[n].replies("SERV-19", k.response("for "+e.id))
					// The next command has number 2: there was no other before it.
					i.asks("SERV-19", "next")
				}
			}),
	}
}
