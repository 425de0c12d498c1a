package testkit_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/action"
	"github.com/stateful-serverless/cloudstate/support-go/testkit"
)

// An echo says how many groups a request has. A request of thirteen makes it panic, one of fourteen fails.
func echo(ctx *action.Context, request *model.Request) (*model.Response, error) {
	switch count := len(request.GetGroups()); count {
	case 13:
		panic("bad luck")
	case 14:
		return nil, status.Error(codes.OutOfRange, "too many")
	case 15:
		<-ctx.Done()
		return nil, ctx.Err()
	default:
		from, _ := ctx.Metadata().Get("from")
		ctx.AddReplyMetadata(cloudstate.Text("to", from))
		return &model.Response{Message: fmt.Sprint(count, from)}, nil
	}
}

func echoIn(ctx *action.Context, requests iter.Seq2[*model.Request, error]) (*model.Response, error) {
	all := &model.Request{}
	for request, err := range requests {
		if err != nil {
			return nil, err
		}
		all.Groups = append(all.Groups, request.GetGroups()...)
	}
	return echo(ctx, all)
}

func echoOut(ctx *action.Context, request *model.Request, responses *action.Responses[*model.Response]) error {
	for range request.GetGroups() {
		ctx.SideEffect(model.ActionTwo_Call_FullMethodName, &model.OtherRequest{Id: "log"})
		if err := responses.Reply(&model.Response{Message: "one"}); err != nil {
			return err
		}
	}
	if err := responses.Forward(model.ActionTwo_Call_FullMethodName, &model.OtherRequest{Id: "two"}); err != nil {
		return err
	}
	if len(request.GetGroups()) > 2 {
		if err := responses.Fail(errors.New("enough")); err != nil {
			return err
		}
		return responses.Reply(&model.Response{Message: "no caller sees this"})
	}
	return nil
}

func echoBoth(ctx *action.Context, requests iter.Seq2[*model.Request, error], responses *action.Responses[*model.Response]) error {
	for request, err := range requests {
		if err != nil {
			return err
		}
		reply, err := echo(ctx, request)
		if err != nil {
			return err
		}
		if err := responses.Reply(reply); err != nil {
			return err
		}
	}
	return nil
}

func echoService() cloudstate.Service {
	return action.New(&model.ActionTckModel_ServiceDesc,
		action.Unary(model.ActionTckModel_ProcessUnary_FullMethodName, echo),
		action.StreamedIn(model.ActionTckModel_ProcessStreamedIn_FullMethodName, echoIn),
		action.StreamedOut(model.ActionTckModel_ProcessStreamedOut_FullMethodName, echoOut),
		action.Streamed(model.ActionTckModel_ProcessStreamed_FullMethodName, echoBoth))
}

func groups(count int) *model.Request {
	return &model.Request{Groups: make([]*model.ProcessGroup, count)}
}

func response(text string) *model.Response { return &model.Response{Message: text} }

func TestActionUnary(t *testing.T) {
	t.Parallel()
	kit := testkit.NewAction(t, echoService())
	result := kit.Run(t.Context(), model.ActionTckModel_ProcessUnary_FullMethodName, groups(2), cloudstate.Text("from", "me"))
	result.WantReply(response("2me"))
	same(t, "reply metadata", cloudstate.Metadata{cloudstate.Text("to", "me")}, result.Metadata)
	kit.Run(t.Context(), "ProcessUnary", groups(14)).WantFailure(codes.OutOfRange)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	kit.Run(ctx, "ProcessUnary", groups(15)).WantFailure(codes.Canceled)
}

func TestActionStreamedIn(t *testing.T) {
	t.Parallel()
	kit := testkit.NewAction(t, echoService())
	call := kit.Open(t.Context(), "ProcessStreamedIn", cloudstate.Text("from", "me"))
	call.Send(groups(2))
	call.Send(groups(3))
	results := call.Finish()
	if len(results) != 1 {
		t.Fatalf("%d responses, want one", len(results))
	}
	results[0].WantReply(response("5me"))
	if more := call.Finish(); more != nil || call.Next() != nil {
		t.Errorf("a call that is over has responses: %v", more)
	}
}

func TestActionStreamedOut(t *testing.T) {
	t.Parallel()
	kit := testkit.NewAction(t, echoService())
	call := kit.Open(t.Context(), "ProcessStreamedOut")
	call.Send(groups(2))
	results := call.Finish()
	if len(results) != 3 {
		t.Fatalf("%d responses, want three", len(results))
	}
	results[1].WantReply(response("one"))
	same(t, "effects", []testkit.Effect{
		{Call: testkit.Call{Method: model.ActionTwo_Call_FullMethodName, Message: &model.OtherRequest{Id: "log"}}},
	}, results[1].Effects)
	same(t, "forward", &testkit.Call{Method: model.ActionTwo_Call_FullMethodName, Message: &model.OtherRequest{Id: "two"}}, results[2].Forward)

	// A proxy ends the call with a failure: nothing after it reaches the caller.
	call = kit.Open(t.Context(), "ProcessStreamedOut")
	call.Send(groups(3))
	results = call.Finish()
	if len(results) != 5 {
		t.Fatalf("%d responses, want five", len(results))
	}
	results[4].WantFailure(codes.Unknown)
}

// TestActionStreamed talks with the handler: a response after each request, in one call.
func TestActionStreamed(t *testing.T) {
	t.Parallel()
	kit := testkit.NewAction(t, echoService())
	call := kit.Open(t.Context(), "ProcessStreamed")
	for count := range 3 {
		call.Send(groups(count))
		call.Next().WantReply(response(fmt.Sprint(count)))
	}
	if results := call.Finish(); len(results) != 0 {
		t.Errorf("%d responses too many", len(results))
	}
	call = kit.Open(t.Context(), "ProcessStreamed")
	call.Send(groups(1))
	call.Cancel()
	if call.Next() != nil {
		t.Error("a cancelled call has a response")
	}
	call.Send(groups(1)) // nothing happens
	kit.Open(context.Background(), "ProcessStreamed").Send(groups(1))
	// That one is cancelled when the test ends, or goleak finds it.
}

// TestActionEndless: a handler that sends without end waits for who takes, and ends with the call.
func TestActionEndless(t *testing.T) {
	t.Parallel()
	sent, returned := 0, make(chan error, 1)
	endless := func(_ *action.Context, _ *model.Request, responses *action.Responses[*model.Response]) error {
		for {
			if err := responses.Reply(response("more")); err != nil {
				returned <- err
				return err
			}
			sent++
		}
	}
	kit := testkit.NewAction(t, action.New(&model.ActionTckModel_ServiceDesc,
		action.Unary(model.ActionTckModel_ProcessUnary_FullMethodName, echo),
		action.StreamedIn(model.ActionTckModel_ProcessStreamedIn_FullMethodName, echoIn),
		action.StreamedOut(model.ActionTckModel_ProcessStreamedOut_FullMethodName, endless),
		action.Streamed(model.ActionTckModel_ProcessStreamed_FullMethodName, echoBoth)))
	call := kit.Open(t.Context(), "ProcessStreamedOut")
	call.Send(groups(0))
	for range 100 {
		call.Next().WantReply(response("more"))
	}
	call.Cancel()
	if err := <-returned; status.Code(err) != codes.Canceled {
		t.Errorf("the handler was told %v", err)
	}
	if sent > 300 {
		t.Errorf("%d responses were sent and 100 taken", sent)
	}
}
