package storm

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/oracle"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// command is what one operation asks of an entity.
type command struct {
	id     string
	writes []string
	delete bool
	doomed bool   // fails after it has changed the state
	key    string // idempotency key; "" for none
}

// doom is how the user function is asked to fail, and so the description that its client gets.
const doom = "as asked"

// call sends a command and returns the state after it.
type call func(ctx context.Context, client *suite.Client, c command) (string, error)

func callEventSourced(ctx context.Context, client *suite.Client, c command) (string, error) {
	request, response := &esmodel.Request{Id: c.id}, &esmodel.Response{}
	for _, text := range c.writes {
		request.Actions = append(request.Actions, &esmodel.RequestAction{Action: &esmodel.RequestAction_Emit{Emit: &esmodel.Emit{Value: text}}})
	}
	if c.doomed {
		request.Actions = append(request.Actions, &esmodel.RequestAction{Action: &esmodel.RequestAction_Fail{Fail: &esmodel.Fail{Message: doom}}})
	}
	_, err := client.Unary(ctx, "/"+esModel+"/Process", request, response, c.metadata())
	return response.GetMessage(), err
}

func callValue(ctx context.Context, client *suite.Client, c command) (string, error) {
	request, response := &vemodel.Request{Id: c.id}, &vemodel.Response{}
	for _, text := range c.writes {
		request.Actions = append(request.Actions, &vemodel.RequestAction{Action: &vemodel.RequestAction_Update{Update: &vemodel.Update{Value: text}}})
	}
	if c.delete {
		request.Actions = append(request.Actions, &vemodel.RequestAction{Action: &vemodel.RequestAction_Delete{Delete: &vemodel.Delete{}}})
	}
	if c.doomed {
		request.Actions = append(request.Actions, &vemodel.RequestAction{Action: &vemodel.RequestAction_Fail{Fail: &vemodel.Fail{Message: doom}}})
	}
	_, err := client.Unary(ctx, "/"+veModel+"/Process", request, response, c.metadata())
	return response.GetMessage(), err
}

func (c command) metadata() metadata.MD {
	if c.key == "" {
		return nil
	}
	return metadata.Pairs("idempotency-key", c.key)
}

// errAnswered is that a command which fails was answered.
var errAnswered = errors.New("it was answered as if it had not failed")

// conclude says what the client of a command may conclude from how its call ended. odd is set when no proxy may answer so.
func conclude(c command, err error) (o oracle.Outcome, odd error) {
	s := status.Convert(err)
	said := s.Message()
	switch {
	case c.doomed && err == nil:
		return oracle.Refused, errAnswered
	case c.doomed:
		return oracle.Refused, nil
	case err == nil, c.key != "" && s.Code() == codes.AlreadyExists:
		return oracle.Acknowledged, nil
	case c.key != "" && (s.Code() == codes.FailedPrecondition || s.Code() == codes.InvalidArgument):
		return oracle.Unknown, err
	case strings.Contains(said, "not carried out"), strings.Contains(said, "nothing was changed"), strings.Contains(said, "transport: Error while dialing"):
		return oracle.Refused, nil
	}
	return oracle.Unknown, nil
}
