package proxy

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	actmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

const (
	// accepted is the size that every proxy accepts by default (LIM-19).
	accepted = 4<<20 - 64<<10
	// tooLarge is over every default bound (LIM-01, LIM-02).
	tooLarge = 64<<20 + 64<<10
)

// errSize cannot happen: text of any length makes a message of any size above a few hundred bytes, but for the steps at which a length prefix grows.
var errSize = errors.New("no text makes the message as large as wanted")

// sized returns the text that makes message, of that text, exactly size bytes long.
func sized(t *suite.T, size int, message func(text string) proto.Message) string {
	length := size
	for range 10 {
		over := proto.Size(message(strings.Repeat("s", length))) - size
		if over == 0 {
			return strings.Repeat("s", length)
		}
		length -= over
	}
	t.KitFault(errSize)
	return ""
}

func sizeCasesOf(k *kind) []suite.Case {
	return []suite.Case{
		k.inCore("lim", "large-messages", "messages of 4 MiB less 64 KiB are accepted from the client and from the user function",
			requires("LIM-19"), func(s *scene) {
				e := s.entity(k, k.model)
				i := e.put("LIM-19")
				text := sized(s.t, accepted, func(text string) proto.Message { return k.request(e.id, text) })
				c := e.call(text)
				i.command("LIM-19", text)
				text = sized(s.t, accepted, func(text string) proto.Message {
					return k.reply(i.last, answer{action: replied(k.response(text))})
				})
				i.replies(text)
				c.replies("LIM-19", k.response(text))
				c = e.call("stores")
				i.command("LIM-19", "stores")
				text = sized(s.t, accepted, func(text string) proto.Message {
					return k.reply(i.last, answer{action: replied(k.response("done")), writes: []string{text}})
				})
				i.replies("done", text)
				c.replies("LIM-19", k.response("done"))
				i.restart("LIM-19", text)
			}),
		k.inCore("lim", "oversized-request", "a client's message of more than 64 MiB gets RESOURCE_EXHAUSTED, and no command is sent",
			requires("LIM-02", "SERV-37"), func(s *scene) {
				e := s.entity(k, k.model)
				e.call(strings.Repeat("x", tooLarge)).fails("LIM-02", codes.ResourceExhausted, "")
				e.unopened("LIM-02", "its only command was refused")
				i := e.put("LIM-02")
				e.call(strings.Repeat("x", tooLarge)).fails("LIM-02", codes.ResourceExhausted, "")
				i.asks("LIM-02", "next")
			}),
		k.inCore("lim", "oversized-reply", "a message of more than 64 MiB from the user function ends its stream as if the user function had, and nothing else",
			requires("LIM-01"), func(s *scene) {
				bystander := s.entity(k, k.model).put("LIM-01")
				e := s.entity(k, k.model)
				i := e.put("LIM-01", "kept")
				c := e.call("large")
				i.command("LIM-01", "large")
				// A proxy may cut the stream while the message is being sent.
				_ = i.send(k.reply(i.last, answer{action: replied(k.response(strings.Repeat("x", tooLarge)))}))
				c.fails("LIM-01", codes.Unknown, k.unexpectedEnd)
				i.ended("LIM-01", "a message was over the bound")
				e.startsAfresh("LIM-01", "kept")
				bystander.asks("LIM-01", "unharmed")
			}),
	}
}

// sizeCases are about sizes where the kind of entity does not matter, and about client streams.
func sizeCases() []suite.Case {
	k := eventSourced
	return []suite.Case{
		k.inCore("lim", "twelve-mebibytes", "by default a message from the user function may have 12 MiB, and not much more",
			requires("LIM-21"), func(s *scene) {
				e := s.entity(k, k.model)
				c := e.call("large")
				i := e.opens("LIM-21")
				i.command("LIM-21", "large")
				large := func(size int) answer {
					return answer{action: replied(k.response("done")), writes: []string{sized(s.t, size, func(text string) proto.Message {
						return k.reply(i.last, answer{action: replied(k.response("done")), writes: []string{text}})
					})}}
				}
				i.reply(large(12<<20 - 64<<10))
				c.replies("LIM-21", k.response("done"))
				c = e.call("larger")
				i.command("LIM-21", "larger")
				_ = i.send(k.reply(i.last, large(12<<20+64<<10)))
				c.fails("LIM-21", codes.Unknown, k.unexpectedEnd)
			}),
		{
			ID: "lim/proxy/action-large-messages", Title: "an action's messages of 4 MiB less 64 KiB are accepted; larger than 64 MiB they end their call alone",
			Requirements: requires("LIM-19", "LIM-02", "LIM-01"), Kind: suite.Proxy, Needs: []string{suite.Action},
			Run: func(ctx context.Context, t *suite.T) { actionSizes(shared(ctx, t)) },
		},
		{
			ID: "lim/proxy/slow-reader", Title: "a client's stream is read no faster than the user function reads it, but for a bounded amount",
			Requirements: requires("LIM-03"), Kind: suite.Proxy, Needs: []string{suite.Action}, Timeout: longTimeout,
			Run: func(ctx context.Context, t *suite.T) { slowReader(shared(ctx, t)) },
		},
	}
}

func actionSizes(s *scene) {
	const method = "/" + model.ActionTwo + "/Call"
	target := s.action(model.ActionTwo, "Call")
	text := sized(s.t, accepted, func(text string) proto.Message { return &actmodel.OtherRequest{Id: text} })
	c := s.call(method, &actmodel.OtherRequest{Id: text}, &actmodel.Response{})
	in := target.next("LIM-19")
	var got actmodel.OtherRequest
	s.t.Check(target.receive(in, "LIM-19").GetPayload().UnmarshalTo(&got), suite.Failure{Requirement: "LIM-19", Expected: "the client's message"})
	s.t.Require(got.GetId() == text, suite.Failure{Requirement: "LIM-19", Expected: "the client's message of 4 MiB less 64 KiB", Got: "another one"})
	// The response's message has a few bytes around the payload: 64 bytes leave room for them.
	text = strings.Repeat("r", accepted-256)
	in.answers(replied(&actmodel.Response{Message: text}))
	c.replies("LIM-19", &actmodel.Response{Message: text})

	s.call(method, &actmodel.OtherRequest{Id: strings.Repeat("x", tooLarge)}, &actmodel.Response{}).fails("LIM-02", codes.ResourceExhausted, "")
	c = s.call(method, &actmodel.OtherRequest{Id: "next"}, &actmodel.Response{})
	in = target.next("LIM-02")
	s.t.Check(target.receive(in, "LIM-02").GetPayload().UnmarshalTo(&got), suite.Failure{Requirement: "LIM-02", Expected: "the next call's message"})
	s.t.Require(got.GetId() == "next", suite.Failure{Requirement: "LIM-02", Expected: "no command for a refused call", Got: "one with its message"})
	_ = in.Respond(actionReply(strings.Repeat("x", tooLarge)))
	<-c.done
	s.t.Require(c.err != nil, suite.Failure{Requirement: "LIM-01", Expected: "the call to fail, its response being over the bound", Got: "a reply"})
	c = s.call(method, &actmodel.OtherRequest{}, &actmodel.Response{})
	target.next("LIM-01").answers(replied(&actmodel.Response{Message: "unharmed"}))
	c.replies("LIM-01", &actmodel.Response{Message: "unharmed"})
}

// slowReader streams to an action that does not read until the stream stands still.
func slowReader(s *scene) {
	const messages, size = 2048, 64 << 10 // 128 MiB
	target := s.action(model.ActionService, "ProcessStreamedIn")
	stream, err := s.t.Client().Stream(s.ctx, "/"+model.ActionService+"/ProcessStreamedIn", nil)
	s.t.Check(err, suite.Failure{Requirement: "LIM-03"})
	body, err := proto.Marshal(&actmodel.Request{Groups: []*actmodel.ProcessGroup{{Steps: []*actmodel.ProcessStep{{
		Step: &actmodel.ProcessStep_Fail{Fail: &actmodel.Fail{Message: strings.Repeat("x", size)}},
	}}}}})
	if err != nil {
		s.t.KitFault(err)
	}
	var sent atomic.Int64
	done := make(chan error, 1)
	go func() {
		for range messages {
			if err := stream.SendBytes(body); err != nil {
				done <- err
				return
			}
			sent.Add(1)
		}
		done <- stream.CloseSend()
	}()
	in := target.next("LIM-03")
	// It stands still when nothing was taken while other calls came and went.
	for before, still := int64(-1), 0; still < 5; {
		s.roundTrips(50)
		if now := sent.Load(); now == before {
			still++
		} else {
			before, still = now, 0
		}
		s.t.Require(s.ctx.Err() == nil, suite.Failure{Requirement: "LIM-03", Expected: "the stream to stand still", Got: "it goes on"})
	}
	s.t.Require(sent.Load() < messages, suite.Failure{
		Requirement: "LIM-03", Expected: "the proxy to stop reading the client's stream while the user function reads nothing",
		Got: "it took 128 MiB", Remedy: "read a client's stream only as the user function's stream takes it",
	})
	target.receive(in, "LIM-03") // the header
	for range messages {
		target.receive(in, "LIM-03")
	}
	s.t.Check(in.ExpectHalfClose(s.ctx), suite.Failure{Requirement: "LIM-03"})
	in.answers(replied(&actmodel.Response{Message: "read all"}))
	s.t.Check(<-done, suite.Failure{Requirement: "LIM-03", Expected: "the client to send all"})
	var response actmodel.Response
	s.t.Check(stream.Recv(&response), suite.Failure{Requirement: "LIM-03", Expected: "the response"})
	s.t.Equal(&actmodel.Response{Message: "read all"}, &response, suite.Failure{Requirement: "LIM-03"})
	if err := stream.Recv(&response); !errors.Is(err, io.EOF) {
		s.t.Check(err, suite.Failure{Requirement: "LIM-03", Expected: "the call to end with status OK"})
	}
}
