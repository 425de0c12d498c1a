package fuzz

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

func hexOf(raw []byte) string { return hex.EncodeToString(raw[:min(len(raw), 64)]) }

// idle is after how long the proxy may let go of the entities that forwards and side effects lead to: soon, so that they do not pile up.
const idle = time.Second

// functionSpec is the answer to discover: the models' services. The entities of conversations, and witnesses, are not let go of for being idle, or a
// stream that was to end at once would end by itself.
func functionSpec() *cloudstate.EntitySpec {
	spec := model.Spec()
	for _, entity := range spec.GetEntities() {
		switch entity.GetServiceName() {
		case model.EventSourcedTwo, model.ValueEntityTwo:
			mockfunction.Passivated(entity, idle)
		default:
			mockfunction.Passivated(entity, 24*time.Hour)
		}
	}
	return spec
}

// function is the user function behind a proxy. It is an HTTP/2 server of its own rather than a gRPC library's, since it must be able to say what
// no library would: lie about a message's length, reset a stream, leave out the trailers.
type function struct {
	listener net.Listener
	server   *http.Server
	served   chan struct{}
	spec     []byte

	mu       sync.Mutex
	entities map[entityKey]*entityRun
	calls    map[string]*actionRun
	conns    map[net.Conn]bool
	answers  []Answer      // to the next calls of discover, in place of spec
	asked    chan struct{} // has a token after a discover or a reportError
}

type entityKey struct{ service, id string }

func newFunction(address string) (*function, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("fuzz: serving a user function: %w", err)
	}
	f := &function{
		listener: listener, served: make(chan struct{}), spec: mutated(functionSpec(), nil), asked: make(chan struct{}, 1),
		entities: make(map[entityKey]*entityRun), calls: make(map[string]*actionRun), conns: make(map[net.Conn]bool),
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	f.server = &http.Server{
		Handler: f, Protocols: &protocols, ReadHeaderTimeout: time.Minute,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100_000, MaxReceiveBufferPerConnection: 1 << 24},
		ConnState: func(conn net.Conn, state http.ConnState) {
			f.mu.Lock()
			defer f.mu.Unlock()
			switch state {
			case http.StateNew:
				f.conns[conn] = true
			case http.StateClosed, http.StateHijacked:
				delete(f.conns, conn)
			case http.StateActive, http.StateIdle:
			}
		},
	}
	go func() {
		defer close(f.served)
		_ = f.server.Serve(listener) // ends when it is closed
	}()
	return f, nil
}

func (f *function) close() {
	_ = f.server.Close()
	<-f.served
}

// disconnect closes all connections.
func (f *function) disconnect() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		_ = conn.Close()
	}
}

// ServeHTTP serves one gRPC call.
func (f *function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := &inward{ctx: r.Context(), body: r.Body, w: w, flusher: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "application/grpc")
	w.WriteHeader(http.StatusOK)
	_ = s.flusher.Flush() // a stream that is over shows when it is read
	switch r.URL.Path {
	case cloudstate.EntityDiscovery_Discover_FullMethodName:
		f.discover(s)
	case cloudstate.EntityDiscovery_ReportError_FullMethodName:
		_, _ = s.read()
		s.write(mutated(&emptypb.Empty{}, nil), "")
		s.end(OK)
		f.note()
	case eventsourced.EventSourced_Handle_FullMethodName:
		f.serveEntity(s, EventSourced)
	case valueentity.ValueEntity_Handle_FullMethodName:
		f.serveEntity(s, ValueEntity)
	default:
		f.serveAction(s, r.URL.Path)
	}
}

func (f *function) note() {
	select {
	case f.asked <- struct{}{}:
	default:
	}
}

func (f *function) discover(s *inward) {
	_, _ = s.read()
	f.mu.Lock()
	answer := Answer{}
	if len(f.answers) > 0 {
		answer, f.answers = f.answers[0], f.answers[1:]
	}
	f.mu.Unlock()
	defer f.note()
	switch {
	case answer.Send != nil:
		s.write(mutated(answer.Send.Body, answer.Send.Mutations), answer.Prefix)
		s.end(OK)
	case answer.End != "":
		s.end(answer.End)
	default:
		s.write(f.spec, "")
		s.end(OK)
	}
}

// inward is a call by the proxy.
type inward struct {
	ctx     context.Context
	body    io.ReadCloser
	w       http.ResponseWriter
	flusher *http.ResponseController
}

// maxInward bounds a message from the proxy, in bytes.
const maxInward = 64 << 20

// read returns the next message; io.EOF after a half-close, another error when the call is over.
func (s *inward) read() ([]byte, error) {
	var prefix [5]byte
	if _, err := io.ReadFull(s.body, prefix[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(prefix[1:])
	if prefix[0] != 0 || n > maxInward {
		return nil, broken("", "the proxy sent a message of %d bytes with the compression byte %d", n, prefix[0])
	}
	raw := make([]byte, n)
	_, err := io.ReadFull(s.body, raw)
	return raw, err
}

// write sends a message. A call that is over shows when it is read.
func (s *inward) write(raw []byte, prefix string) {
	frame := grpcFrame(raw, 0, 0)
	switch prefix {
	case "compressed":
		frame[0] = 1
	case "longer":
		frame = grpcFrame(raw, 0, 7)
	case "shorter":
		frame = grpcFrame(raw, 0, -min(1, len(raw)))
	}
	_, _ = io.Copy(s.w, bytes.NewReader(frame))
	_ = s.flusher.Flush()
}

// end ends the call; nothing may follow it but the handler's return.
func (s *inward) end(how End) {
	code := codes.OK
	switch how {
	case Reset, Disconnect:
		panic(http.ErrAbortHandler) //nolint:forbidigo // this is how net/http resets a stream
	case Failed:
		code = codes.FailedPrecondition
	case OK, HalfClose:
	}
	s.w.Header().Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(int(code)))
	if code != codes.OK {
		s.w.Header().Set(http.TrailerPrefix+"Grpc-Message", "fuzz")
	}
}

// emptyAnswer is what an entity answers that no conversation is about.
func emptyAnswer(kind Kind, id int64) proto.Message {
	payload := &cloudstate.Reply{Payload: pack(&emptypb.Empty{})}
	payload.Payload.TypeUrl = "type.googleapis.com" + output(kind)
	action := &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: payload}}
	if kind == EventSourced {
		reply := &eventsourced.EventSourcedReply{CommandId: id, ClientAction: action}
		return &eventsourced.EventSourcedStreamOut{Message: &eventsourced.EventSourcedStreamOut_Reply{Reply: reply}}
	}
	reply := &valueentity.ValueEntityReply{CommandId: id, ClientAction: action}
	return &valueentity.ValueEntityStreamOut{Message: &valueentity.ValueEntityStreamOut_Reply{Reply: reply}}
}
