package mockproxy

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/script"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// Side returns the proxy's side of scripts ([script.Script.Run]) on this connection.
func (p *Proxy) Side(types *tracefile.Types) script.Side { return side{p, types} }

type side struct {
	proxy *Proxy
	types *tracefile.Types
}

// Open implements script.Side.
func (s side) Open(ctx context.Context, o script.Opening) (script.Call, error) {
	// The call outlives the step that opens it.
	stream, err := open[proto.Message](context.WithoutCancel(ctx), s.proxy, o.Method, func() proto.Message { return s.types.NewMessage(o.Method, true) })
	if err != nil {
		return nil, err
	}
	stream.Receive()
	return scripted{stream}, nil
}

// scripted is a call in a script's hands.
type scripted struct {
	*Stream[proto.Message, proto.Message]
}

// Send implements script.Call; on a call that the peer has ended it does nothing, for what comes next says so.
func (s scripted) Send(m proto.Message) error { return ignoreEnded(s.Stream.Send(m)) }

// SendRaw implements script.Call.
func (s scripted) SendRaw(raw []byte) error { return ignoreEnded(s.Stream.SendRaw(raw)) }

// Next implements script.Call.
func (s scripted) Next(ctx context.Context, want string) (match.Step, error) {
	item, err := s.Stream.Next(ctx, want)
	if err != nil {
		return match.Step{}, err
	}
	return match.StepOf(item), nil
}

// Close implements script.Call: the half-close.
func (s scripted) Close() error { return s.CloseSend() }

// Fail implements script.Call: a caller has no status to give.
func (s scripted) Fail(codes.Code, string) { s.Cancel() }
