package fuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// FrameType is what is put on a raw connection.
type FrameType string

// The types of frames. Bytes is no frame, but whatever bytes it has.
const (
	HeadersFrame  FrameType = "headers"
	DataFrame     FrameType = "data"
	ResetFrame    FrameType = "reset"
	SettingsFrame FrameType = "settings"
	WindowFrame   FrameType = "window"
	GoAwayFrame   FrameType = "goaway"
	BytesFrame    FrameType = "bytes"
)

// Frame is one thing to put on a raw connection. Headers open the next stream; data and resets are for the last one opened.
type Frame struct {
	Type FrameType `json:"type"`
	// Path, Content and Encoding are headers of the call: the method, content-type and grpc-encoding. Empty ones are left out.
	Path     string `json:"path,omitempty"`
	Content  string `json:"content,omitempty"`
	Encoding string `json:"encoding,omitempty"`
	// Payload is what data or bytes consist of.
	Payload []byte `json:"payload,omitempty"`
	// Number is the value of a setting, a window update or an error code.
	Number uint32 `json:"number,omitempty"`
	// Last ends the stream on our side.
	Last bool `json:"last,omitempty"`
}

// frames returns a raw conversation: one call with what is wrong with it already.
func (g *generator) frames() []Step {
	step := func(f Frame) Step { return Step{Frame: &f} }
	headers := Frame{Type: HeadersFrame, Path: g.path(), Content: "application/grpc"}
	body := grpcFrame(g.body(), 0, 0)
	switch g.IntN(9) {
	case 0:
		headers.Content = []string{"", "text/html", "application/json", "application/grpc-web", "application/grpc+no", "application/grpc;"}[g.IntN(6)]
	case 1:
		headers.Encoding = []string{"gzip", "no-such-encoding"}[g.IntN(2)]
		body[0] = 1
	case 2:
		body = grpcFrame(g.body(), byte(1+g.IntN(255)), 0)
	case 3:
		body = grpcFrame(g.body(), 0, 1+g.IntN(100))
	case 4:
		body = grpcFrame(g.body(), 0, 1<<30)
	case 5:
		body = body[:g.IntN(len(body))]
	case 6:
		body = append(body, drawBytes(g.Rand)...)
	case 7:
		body = append(body, body...)
	}
	steps := []Step{step(headers)}
	if g.chance(6) {
		steps = append(steps, step(g.oddFrame()))
	}
	cut := g.IntN(len(body) + 1)
	steps = append(steps, step(Frame{Type: DataFrame, Payload: body[:cut]}), step(Frame{Type: DataFrame, Payload: body[cut:], Last: true}))
	if g.chance(8) {
		steps[len(steps)-1] = step(Frame{Type: ResetFrame, Number: uint32(g.IntN(16))})
	}
	return steps
}

func (g *generator) oddFrame() Frame {
	switch g.IntN(5) {
	case 0:
		return Frame{Type: SettingsFrame, Number: g.Uint32()}
	case 1:
		return Frame{Type: WindowFrame, Number: g.Uint32()}
	case 2:
		return Frame{Type: GoAwayFrame, Number: uint32(g.IntN(16))}
	case 3:
		return Frame{Type: HeadersFrame}
	default:
		return Frame{Type: BytesFrame, Payload: drawBytes(g.Rand)}
	}
}

func (g *generator) path() string {
	paths := []string{
		cloudstate.EntityDiscovery_Discover_FullMethodName, eventsourced.EventSourced_Handle_FullMethodName,
		valueentity.ValueEntity_Handle_FullMethodName, action.ActionProtocol_HandleUnary_FullMethodName,
	}
	if g.side == target.Proxy {
		paths = []string{
			"/" + model.EventSourcedService + "/Process", "/" + model.ValueEntityService + "/Process", "/" + model.ActionService + "/ProcessStreamed",
			"/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
		}
	}
	if g.chance(10) {
		return []string{"", "/", "//", "/no/such", "/no.such.Service/Method/More", paths[0] + "/"}[g.IntN(6)]
	}
	return paths[g.IntN(len(paths))]
}

// body is a message for the call, on the frontend's side an init.
func (g *generator) body() []byte {
	if g.side == target.Proxy {
		return mutated(&esmodel.Request{Id: "raw-" + g.word()}, nil)
	}
	init := &eventsourced.EventSourcedInit{ServiceName: model.EventSourcedService, EntityId: "raw-" + g.word()}
	return mutated(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Init{Init: init}}, nil)
}

// rawConnection is one raw conversation as it goes on.
type rawConnection struct {
	net.Conn
	framer *http2.Framer
	stream uint32 // the last one opened
	ended  bool   // on our side
	reset  bool   // by our side
	odd    bool   // what was sent leaves open whether a frame has ended
}

// holdRaw puts the frames on a connection of its own and awaits that the target answers the call, refuses it, or closes the connection. What
// it answers is left to it: no requirement is about a peer that does not speak gRPC.
func holdRaw(ctx context.Context, address string, patience time.Duration, c Conversation) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return broken("", "no connection: %v", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("fuzz: setting a deadline: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	r := &rawConnection{Conn: conn, framer: http2.NewFramer(conn, conn)}
	r.framer.AllowIllegalWrites = true
	_, _ = io.WriteString(conn, http2.ClientPreface) // a connection that is closed shows when it is read, here and below
	_ = r.framer.WriteSettings()
	for _, step := range c.Steps {
		if step.Frame != nil {
			r.put(step.Frame)
		}
	}
	if r.odd {
		return nil // whoever waits for the rest of a frame does nothing wrong
	}
	_ = r.framer.WritePing(false, [8]byte{'f', 'u', 'z', 'z'})
	return r.await()
}

func (r *rawConnection) put(f *Frame) {
	var err error
	switch f.Type {
	case HeadersFrame:
		err = r.framer.WriteHeaders(r.open(f))
	case DataFrame:
		r.ended = r.ended || f.Last
		err = r.framer.WriteData(r.stream, f.Last, f.Payload)
	case ResetFrame:
		r.reset = true
		err = r.framer.WriteRSTStream(r.stream, http2.ErrCode(f.Number))
	case SettingsFrame:
		err = r.framer.WriteSettings(http2.Setting{ID: http2.SettingID(f.Number % 10), Val: f.Number})
	case WindowFrame:
		err = r.framer.WriteWindowUpdate(r.stream, f.Number)
	case GoAwayFrame:
		err = r.framer.WriteGoAway(0, http2.ErrCode(f.Number), nil)
	case BytesFrame:
		r.odd = true
		_, err = r.Write(f.Payload)
	}
	_ = err // a connection that is closed shows when it is read
}

func (r *rawConnection) open(f *Frame) http2.HeadersFrameParam {
	if r.stream == 0 {
		r.stream = 1
	} else {
		r.stream += 2
	}
	r.ended, r.reset = f.Last, false
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: f.Path}, {Name: ":authority", Value: "fuzz"},
		{Name: "te", Value: "trailers"}, {Name: "content-type", Value: f.Content}, {Name: "grpc-encoding", Value: f.Encoding},
	} {
		if field.Value != "" {
			_ = encoder.WriteField(field) // a buffer takes all
		}
	}
	return http2.HeadersFrameParam{StreamID: r.stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: f.Last}
}

// await reads until the last stream has ended, if it was ended on our side in order, the ping is answered otherwise, or the connection is closed.
func (r *rawConnection) await() error {
	for {
		frame, err := r.framer.ReadFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return broken("", "a raw connection is neither answered nor closed within the bound")
		}
		if err != nil {
			return nil //nolint:nilerr // a connection that is closed, or brings what is no frame, is an answer here
		}
		last := frame.Header().StreamID == r.stream && r.stream != 0
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			return nil
		case *http2.RSTStreamFrame:
			if last {
				return nil
			}
		case *http2.HeadersFrame:
			if last && frame.StreamEnded() {
				return nil
			}
		case *http2.PingFrame:
			if frame.IsAck() && (!r.ended || r.reset) {
				return nil
			}
		}
	}
}

// grpcFrame puts gRPC's five bytes before a message: whether it is compressed, and its length with more added.
func grpcFrame(message []byte, compressed byte, more int) []byte {
	n := len(message) + more
	frame := append(make([]byte, 0, len(message)+5), compressed, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return append(frame, message...)
}
