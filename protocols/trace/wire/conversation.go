package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

// DefaultWait bounds every single expectation unless the configuration says otherwise.
const DefaultWait = 10 * time.Second

// Transport is what a conversation needs of a gRPC stream: grpc.ClientStream and grpc.ServerStream are both one.
type Transport interface {
	Context() context.Context
	SendMsg(m any) error
	RecvMsg(m any) error
}

// Config says which call a conversation is about.
type Config struct {
	Transport Transport
	Recorder  *trace.Recorder // nil records nothing
	Stream    trace.StreamID
	Method    string // full path
	// Self and Peer are the parties at this and at the other end.
	Self, Peer trace.Party
	// Wait bounds each expectation, as does its context; 0 means [DefaultWait].
	Wait time.Duration
}

// Conversation is one side of a stream that sends S and receives R. Send methods may be called by one goroutine at a time, and so
// may the receiving ones; the two are independent of each other.
type Conversation[S, R proto.Message] struct {
	cfg   Config
	newR  func() R
	start sync.Once
	inbox *inbox[Item[R]]
	// ended holds the end once the script has come to it; it is asked for again and again.
	ended  *End
	pushed []Item[R]
}

// New returns the conversation over cfg.Transport; newR makes an empty message to decode into. Nothing is received before the
// script asks for the first message; from then on a goroutine receives ahead of the script, until the stream ends or its context
// is done.
func New[S, R proto.Message](cfg Config, newR func() R) *Conversation[S, R] {
	if cfg.Wait <= 0 {
		cfg.Wait = DefaultWait
	}
	return &Conversation[S, R]{cfg: cfg, newR: newR, inbox: newInbox[Item[R]]()}
}

// Where names the call for error messages.
func (c *Conversation[S, R]) Where() string {
	return fmt.Sprintf("stream %d %s", c.cfg.Stream, c.cfg.Method)
}

// Context is the stream's: done as soon as the stream is over, whatever has been received so far.
func (c *Conversation[S, R]) Context() context.Context { return c.cfg.Transport.Context() }

// Send sends one message. If the peer has ended the stream, the error is a *trace.Mismatch; the status is then to be had by
// receiving.
func (c *Conversation[S, R]) Send(m S) error {
	raw, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("%s: marshal %s: %w", c.Where(), m.ProtoReflect().Descriptor().FullName(), err)
	}
	return c.send(raw, m)
}

// SendRaw sends raw as one message, whether or not it is one.
func (c *Conversation[S, R]) SendRaw(raw []byte) error { return c.send(raw, nil) }

func (c *Conversation[S, R]) send(raw []byte, m proto.Message) error {
	c.Note(trace.Message{Kind: trace.Data, Payload: m, Raw: rawUnless(m, raw), Size: len(raw)}, true)
	err := c.cfg.Transport.SendMsg(&Frame{Bytes: raw})
	if err == nil {
		return nil
	}
	got := "it had ended"
	if !errors.Is(err, io.EOF) {
		got = status.Convert(err).Message()
	}
	return &trace.Mismatch{Where: c.Where(), Expected: "an open stream to send a message on", Got: got, Cause: err}
}

// Note records m as part of this call, filling in the ends, stream and method; out says that this side sent it.
func (c *Conversation[S, R]) Note(m trace.Message, out bool) {
	m.From, m.To = c.cfg.Peer, c.cfg.Self
	if out {
		m.From, m.To = c.cfg.Self, c.cfg.Peer
	}
	m.Stream, m.Method = c.cfg.Stream, c.cfg.Method
	c.cfg.Recorder.Record(m)
}

// Recv returns the next message. Otherwise the error is a *trace.Mismatch whose cause is an *[End], an *[Undecodable], or the
// context's error if nothing came in time.
func (c *Conversation[S, R]) Recv(ctx context.Context) (R, error) {
	var none R
	item, err := c.Next(ctx, "a message")
	if err != nil {
		return none, err
	}
	switch {
	case item.Bad != nil:
		return none, &trace.Mismatch{Where: c.Where(), Expected: "a message", Got: item.Bad.Error(), Cause: item.Bad}
	case item.End != nil:
		return none, &trace.Mismatch{Where: c.Where(), Expected: "a message", Got: item.End.Error(), Cause: item.End}
	}
	return item.Msg, nil
}

// Expect receives the next message and returns nil if it equals want; otherwise a *trace.Mismatch.
func (c *Conversation[S, R]) Expect(ctx context.Context, want R) error {
	got, err := c.Recv(ctx)
	if err != nil {
		var m *trace.Mismatch
		if errors.As(err, &m) {
			m.Expected = trace.Text(want)
		}
		return err
	}
	return trace.Compare(c.Where(), want, got)
}

// ExpectEnd returns how the peer ended the stream, which must be the next thing that happens; a message is a mismatch.
func (c *Conversation[S, R]) ExpectEnd(ctx context.Context) (*End, error) {
	const want = "the end of the stream"
	item, err := c.Next(ctx, want)
	switch {
	case err != nil:
		return nil, err
	case item.Bad != nil:
		return nil, &trace.Mismatch{Where: c.Where(), Expected: want, Got: item.Bad.Error(), Cause: item.Bad}
	case item.End == nil:
		return nil, &trace.Mismatch{Where: c.Where(), Expected: want, Got: trace.Text(item.Msg)}
	}
	return item.End, nil
}

// Receive begins to receive ahead of the script, which otherwise begins when it first asks.
func (c *Conversation[S, R]) Receive() { c.start.Do(func() { go c.receive() }) }

// Unread puts item back, to be received next. It is for whoever had to look at a message to know what to do with the stream.
func (c *Conversation[S, R]) Unread(item Item[R]) {
	c.pushed = append([]Item[R]{item}, c.pushed...)
}

// Next waits for whatever comes next; once the end has come it returns the end forever. If nothing comes in time the error is a
// *trace.Mismatch, with want as what was expected.
func (c *Conversation[S, R]) Next(ctx context.Context, want string) (Item[R], error) {
	if len(c.pushed) > 0 {
		item := c.pushed[0]
		c.pushed = c.pushed[1:]
		c.ended = item.End
		return item, nil
	}
	if c.ended != nil {
		return Item[R]{End: c.ended}, nil
	}
	c.Receive()
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Wait)
	defer cancel()
	item, ok := c.inbox.take(ctx)
	if !ok {
		got := fmt.Sprintf("nothing within %s", time.Since(began).Round(time.Millisecond))
		return Item[R]{}, &trace.Mismatch{Where: c.Where(), Expected: want, Got: got, Cause: ctx.Err()}
	}
	c.ended = item.End
	return item, nil
}

// receive moves what comes from the transport into the inbox until the end has come.
func (c *Conversation[S, R]) receive() {
	for {
		item := c.transfer()
		c.inbox.put(c.cfg.Transport.Context(), item)
		if item.End != nil {
			return
		}
	}
}

// ReceiveNow receives straight from the transport, in the calling goroutine and without a deadline, for automatic peers that
// would not pay for a goroutine. It must not be mixed with the script's receiving methods once those have been used.
func (c *Conversation[S, R]) ReceiveNow() Item[R] {
	if len(c.pushed) > 0 {
		item := c.pushed[0]
		c.pushed = c.pushed[1:]
		return item
	}
	return c.transfer()
}

// transfer receives one thing from the transport and records it.
func (c *Conversation[S, R]) transfer() Item[R] {
	var f Frame
	if err := c.cfg.Transport.RecvMsg(&f); err != nil {
		end := c.endOf(err)
		c.noteEnd(end)
		return Item[R]{End: end}
	}
	m := c.newR()
	if err := proto.Unmarshal(f.Bytes, m); err != nil {
		c.Note(trace.Message{Kind: trace.Data, Raw: f.Bytes, Size: len(f.Bytes)}, false)
		return Item[R]{Bad: &Undecodable{Raw: f.Bytes, Err: err}}
	}
	c.Note(trace.Message{Kind: trace.Data, Payload: m, Size: len(f.Bytes)}, false)
	return Item[R]{Msg: m}
}

// endOf reads RecvMsg's error, whose meaning depends on the side: io.EOF is status OK to the caller and a half-close to the called.
func (c *Conversation[S, R]) endOf(err error) *End {
	client, isClient := c.cfg.Transport.(interface{ Trailer() metadata.MD })
	if !isClient {
		if errors.Is(err, io.EOF) {
			return &End{HalfClose: true}
		}
		return &End{Status: status.Convert(err)}
	}
	end := &End{Trailer: client.Trailer()}
	if errors.Is(err, io.EOF) {
		end.Status = status.New(codes.OK, "")
	} else {
		end.Status = status.Convert(err)
	}
	return end
}

// noteEnd records how the stream ended, unless it is the echo of this side's own cancellation, which nobody sent.
func (c *Conversation[S, R]) noteEnd(end *End) {
	if c.isClient() && end.Status.Code() == codes.Canceled && c.Context().Err() != nil {
		return
	}
	m := trace.Message{Kind: trace.HalfClose, Metadata: end.Trailer}
	if end.Status != nil {
		m.Kind, m.Code, m.Reason = trace.Status, end.Status.Code(), end.Status.Message()
		if !c.isClient() {
			m.Kind = trace.Cancel
		}
	}
	c.Note(m, false)
}

// isClient reports whether this is the calling side, the only one that gets trailers.
func (c *Conversation[S, R]) isClient() bool {
	_, ok := c.cfg.Transport.(interface{ Trailer() metadata.MD })
	return ok
}

func rawUnless(m proto.Message, raw []byte) []byte {
	if m != nil {
		return nil
	}
	return raw
}
