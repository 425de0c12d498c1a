package frontend

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// largest is the size that every frontend must accept: 4 MiB less 64 KiB (LIM-20).
const largest = 4<<20 - 64<<10

// errPadding cannot happen as long as length prefixes take fewer bytes than padding does.
var errPadding = errors.New("no padding brings the message to the largest size")

// limitCases covers large messages. What makes them large is metadata, which the models do not look at.
func limitCases() []suite.Case {
	return []suite.Case{
		{
			ID: "lim/frontend/es-large-message", Title: "an event sourced entity accepts a message of 4 MiB less 64 KiB", Requirements: requires("LIM-20"),
			Kind: suite.Frontend, Needs: []string{suite.EventSourced, esModel},
			Run: func(ctx context.Context, t *suite.T) {
				s := openES(ctx, t, dial(ctx, t), t.ID("es"))
				s.init()
				s.last++
				command := &cloudstate.Command{EntityId: s.id, Id: s.last, Name: "Process"}
				command.Payload = pack(&esmodel.Request{Id: s.id, Actions: emits("A")})
				message := &eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Command{Command: command}}
				padding(t, message, func(md *cloudstate.Metadata) { command.Metadata = md })
				s.sent(s.Send(message))
				s.expect("LIM-20", esState("A"), esEvents("A"))
				s.finish()
			},
		},
		{
			ID: "lim/frontend/ve-large-message", Title: "a value entity accepts a message of 4 MiB less 64 KiB", Requirements: requires("LIM-20"),
			Kind: suite.Frontend, Needs: []string{suite.ValueEntity, veModel},
			Run: func(ctx context.Context, t *suite.T) {
				v := openVE(ctx, t, dial(ctx, t), t.ID("ve"))
				v.init()
				v.last++
				command := &cloudstate.Command{EntityId: v.id, Id: v.last, Name: "Process"}
				command.Payload = pack(&vemodel.Request{Id: v.id, Actions: updates("A")})
				message := &valueentity.ValueEntityStreamIn{Message: &valueentity.ValueEntityStreamIn_Command{Command: command}}
				padding(t, message, func(md *cloudstate.Metadata) { command.Metadata = md })
				v.sent(v.Send(message))
				v.expect("LIM-20", veState("A"), veUpdated("A"))
				v.finish()
			},
		},
		{
			ID: "lim/frontend/act-large-message", Title: "an action accepts a message of 4 MiB less 64 KiB", Requirements: requires("LIM-20"),
			Kind: suite.Frontend, Needs: []string{suite.Action, actModel},
			Run: func(ctx context.Context, t *suite.T) {
				command := actCommand(actModel, "ProcessUnary", actRequest(group(actReply("A"))))
				padding(t, command, func(md *cloudstate.Metadata) { command.Metadata = md })
				got, err := dial(ctx, t).HandleUnary(ctx, command)
				t.Check(err, suite.Failure{Expected: "a reply"})
				t.Equal(actReplied("A"), Normalise(got), suite.Failure{})
			},
		},
		esFree("large-state", "an event and a state of 512 KiB are passed on whole", requires("ES-18", "ES-10"),
			func(ctx context.Context, t *suite.T) {
				large := strings.Repeat("0123456789abcdef", 32<<10)
				p, id := dial(ctx, t), t.ID("es")
				s := openES(ctx, t, p, id)
				s.init()
				s.process(emit(large))
				s.expect("ES-18", esState(large), esEvents(large))
				s.finish()
				s = openES(ctx, t, p, id)
				s.init()
				s.replay(1, large)
				s.reads("ES-10", large)
				s.finish()
			}),
		actCase("large-streams", "a call whose messages come to two megabytes each way is answered", requires("ACT-17"),
			func(ctx context.Context, t *suite.T) {
				large := strings.Repeat("x", 128<<10)
				a := streamed(ctx, t)
				for range 16 {
					a.request(group(actReply(large)))
					a.expect("ACT-17", actReplied(large))
				}
				a.halfClose()
				a.ends("ACT-17")
			}),
	}
}

// padding sets metadata, by set, that brings message to exactly the largest size.
func padding(t *suite.T, message proto.Message, set func(*cloudstate.Metadata)) {
	size := largest
	for {
		set(&cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{{
			Key: "x-padding", Value: &cloudstate.MetadataEntry_StringValue{StringValue: strings.Repeat("p", size)},
		}}})
		switch over := proto.Size(message) - largest; {
		case over == 0:
			return
		case over < 0 || size < over:
			t.KitFault(errPadding)
		default:
			size -= over
		}
	}
}
