package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/mockcli"
)

const description = `Ask a user function what it serves, as a Cloudstate proxy does, and send it one command. No proxy and no store are needed.

The command "ask" may be left out. Without --service, the discovery answer is printed. With --service and --command, a new instance of that entity gets the command, and
its answer is printed. Nothing is kept: each run meets an entity without state.

Examples:

  cloudstate-mockproxy 127.0.0.1:8080

  cloudstate-mockproxy 127.0.0.1:8080 --service com.example.shoppingcart.ShoppingCart --command GetCart --json '{"user_id": "me"}'

  cloudstate-mockproxy replay cart.trace --function 127.0.0.1:8080

  cloudstate-mockproxy script broken.yaml --function 127.0.0.1:8080

Exit status: 0 answered as wanted, 1 the user function did not answer as the protocol, the trace or the script wants, 2 wrong usage.`

// commands is the command line.
type commands struct {
	Ask    flags  `cmd:"" default:"withargs" help:"Print what the user function serves, or send it one command."`
	Replay replay `cmd:"" help:"Send the proxy's side of a recorded conversation again and tell how the answers differ."`

	Script scriptCommand `cmd:"" help:"Do what a script says: send, expect, wait, break the protocol."`
	Prompt promptCommand `cmd:"" help:"The same step by step, as you type them."`
}

// flags are those of ask.
type flags struct {
	Address  string        `arg:"" help:"Where the user function listens, as host:port."`
	Service  string        `help:"Full name of the service to send a command to, as discovery lists it." placeholder:"NAME"`
	Command  string        `help:"Name of the rpc." placeholder:"NAME"`
	EntityID string        `help:"Entity id of the instance; not for actions." default:"mock-1" placeholder:"ID"`
	JSON     string        `help:"The request message, as JSON." default:"{}" placeholder:"JSON"`
	Trace    bool          `help:"Print everything that went over the wire."`
	Timeout  time.Duration `help:"How long to wait for the user function." default:"10s"`
}

// Run asks.
func (f *flags) Run(ctx context.Context, stdio mockcli.Stdio) error {
	if (f.Service == "") != (f.Command == "") {
		return errors.New("--service and --command go together: give both or neither")
	}
	recorder := trace.NewRecorder(0)
	err := f.talk(ctx, stdio.Out, recorder)
	if f.Trace {
		fmt.Fprint(stdio.Err, recorder)
	}
	if err != nil {
		return mockcli.Unmet{Why: err}
	}
	return nil
}

// talk does what the flags ask for.
func (f *flags) talk(ctx context.Context, stdout io.Writer, recorder *trace.Recorder) error {
	proxy, err := mockproxy.Dial(f.Address, mockproxy.WithRecorder(recorder), mockproxy.WithWait(f.Timeout))
	if err != nil {
		return err
	}
	defer proxy.Close()
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	spec, err := proxy.Discover(ctx, mockproxy.Info(0, 2))
	if err != nil {
		return fmt.Errorf("discover: %w", err)
	}
	services, err := readServices(spec)
	if err != nil {
		return err
	}
	if f.Service == "" {
		return services.print(stdout)
	}
	entity, method, err := services.find(f.Service, f.Command)
	if err != nil {
		return err
	}
	payload, err := services.encode(method, f.JSON)
	if err != nil {
		return err
	}
	answer, err := f.send(ctx, proxy, entity, payload)
	if err != nil {
		return err
	}
	text, err := services.decode(answer)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, text)
	return err
}

// send brings the command to the entity and returns its answer.
func (f *flags) send(ctx context.Context, proxy *mockproxy.Proxy, entity *cloudstate.Entity, payload proto.Message) (proto.Message, error) {
	switch entity.GetEntityType() {
	case mockproxy.EventSourcedType:
		s, err := proxy.EventSourced(ctx)
		if err != nil {
			return nil, err
		}
		defer s.Cancel()
		if err := errors.Join(s.Init(f.Service, f.EntityID), s.Command(1, f.Command, payload)); err != nil {
			return nil, err
		}
		return s.Recv(ctx)
	case mockproxy.ValueEntityType:
		s, err := proxy.ValueEntity(ctx)
		if err != nil {
			return nil, err
		}
		defer s.Cancel()
		init := &valueentity.ValueEntityInit{ServiceName: f.Service, EntityId: f.EntityID, State: &valueentity.ValueEntityInitState{}}
		if err := errors.Join(s.SendInit(init), s.Command(1, f.Command, payload)); err != nil {
			return nil, err
		}
		return s.Recv(ctx)
	case mockproxy.ActionType:
		value, err := mockproxy.Any(payload)
		if err != nil {
			return nil, err
		}
		return proxy.HandleUnary(ctx, &action.ActionCommand{ServiceName: f.Service, Name: f.Command, Payload: value})
	}
	return nil, fmt.Errorf("service %s is of type %q, which this command cannot drive", f.Service, entity.GetEntityType())
}
