package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/fixtures/descriptors"
	"github.com/stateful-serverless/cloudstate/reference-proxy/discovery"
	"github.com/stateful-serverless/cloudstate/reference-proxy/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serveEdge serves an edge on a loopback port and connects to it.
func serveEdge(t *testing.T) (*Edge, *grpc.ClientConn) {
	t.Helper()
	e := New(Config{MaxMessageSize: 1 << 20, MaxStreams: 100}, slog.New(slog.DiscardHandler))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- e.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if !e.stopping.Load() {
			if err := e.Stop(ctx); err != nil {
				t.Error(err)
			}
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return e, conn
}

// function is a discovered user function out of the canonical permutations.
func function(t *testing.T, name string) *discovery.Function {
	t.Helper()
	for _, p := range descriptors.All() {
		if p.Name == name {
			f, problems := discovery.Validate(p.Spec(), discovery.Options{Served: discovery.Kinds()})
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			return f
		}
	}
	t.Fatalf("no permutation %s", name)
	return nil
}

func router(f *discovery.Function) *route.Router {
	return route.New(route.Config{CommandTimeout: time.Second, MaxInFlight: 10, MaxSideEffects: 1, MaxHops: 16}, f, nil, nil, nil, nil, slog.New(slog.DiscardHandler))
}

func wantCode(t *testing.T, err error, code codes.Code) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("got %v, want %v", err, code)
	}
}

// LIM-24: what headers add to a command is bounded; a call over the bound gets no further.
func TestHeadersAreBounded(t *testing.T) {
	e, conn := serveEdge(t)
	f := function(t, "several-entities-a-file")
	e.Publish(router(f))
	var path string
	for _, m := range f.Services[0].Methods {
		if m.Key != nil {
			path = m.Path
		}
	}
	for size, want := range map[int]codes.Code{
		maxCommandMetadata - 64: codes.InvalidArgument, // the request without an entity id is looked at
		maxCommandMetadata:      codes.ResourceExhausted,
		5 << 20:                 codes.ResourceExhausted,
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-long", strings.Repeat("x", size))
		wantCode(t, conn.Invoke(ctx, path, &emptypb.Empty{}, &emptypb.Empty{}), want)
	}
}

// OPS-15 to OPS-17, OPS-20, SERV-06, DISC-48: before, while and after a user function is served.
func TestHealthFollowsTheFunction(t *testing.T) {
	e, conn := serveEdge(t)
	client := healthpb.NewHealthClient(conn)
	watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	watched := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if got, err := watch.Recv(); err != nil || got.GetStatus() != want {
			t.Fatalf("watched %v, %v; want %v", got, err, want)
		}
	}
	check := func(service string) healthpb.HealthCheckResponse_ServingStatus {
		t.Helper()
		got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if status.Code(err) == codes.NotFound {
			return healthpb.HealthCheckResponse_SERVICE_UNKNOWN
		}
		if err != nil {
			t.Fatal(err)
		}
		return got.GetStatus()
	}
	const serving, not, unknown = healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING, healthpb.HealthCheckResponse_SERVICE_UNKNOWN

	watched(not)
	wantCode(t, conn.Invoke(t.Context(), "/any.Service/Call", &emptypb.Empty{}, &emptypb.Empty{}), codes.Unavailable)
	f := function(t, "action-streams")
	name := f.Services[0].Name
	e.Publish(router(f))
	watched(serving)
	if check(name) != serving || check("no.such.Service") != unknown || e.Ready() != nil {
		t.Error("the function is published and not all of it is serving")
	}
	wantCode(t, conn.Invoke(t.Context(), "/any.Service/Call", &emptypb.Empty{}, &emptypb.Empty{}), codes.Unimplemented)
	// OPS-04: without a store it is not ready, but what needs none is served.
	e.StoreUsable(false)
	watched(not)
	if check(name) != not || e.Ready() == nil {
		t.Error("the store is gone, and still ready")
	}
	wantCode(t, conn.Invoke(t.Context(), "/any.Service/Call", &emptypb.Empty{}, &emptypb.Empty{}), codes.Unimplemented)
	e.StoreUsable(true)
	watched(serving)
	e.Suspend()
	watched(not)
	if check(name) != not || e.Ready() == nil {
		t.Error("suspended, and still serving")
	}
	other := function(t, "imports-reversed")
	e.Publish(router(other))
	watched(serving)
	if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: name}); status.Code(err) != codes.NotFound {
		t.Errorf("a service that is gone: %v, want NOT_FOUND", err)
	}
	if check(other.Services[0].Name) != serving {
		t.Error("the new answer's services are not the ones that serve")
	}
	// The end: Watch says so and does not hold the stop up.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if e.Ready() == nil {
		t.Error("stopped, and still ready")
	}
}

// SERV-23 to SERV-28: the list in its order, files with all that they import, and errors as responses.
func TestReflection(t *testing.T) {
	e, conn := serveEdge(t)
	f := function(t, "several-entities-a-file")
	e.Publish(router(f))
	for _, version := range []string{"v1", "v1alpha"} {
		self := "grpc.reflection." + version + ".ServerReflection"
		// The two versions have the same messages on the wire.
		stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/"+self+"/ServerReflectionInfo")
		if err != nil {
			t.Fatal(err)
		}
		ask := func(req *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
			t.Helper()
			req.Host = "here"
			res := &grpc_reflection_v1.ServerReflectionResponse{}
			if err := errors.Join(stream.SendMsg(req), stream.RecvMsg(res)); err != nil {
				t.Fatal(err)
			}
			if res.GetValidHost() != "here" || res.GetOriginalRequest().GetHost() != "here" {
				t.Errorf("host and request are not echoed: %v", res)
			}
			return res
		}
		list := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{ListServices: "nonsense"}})
		var names []string
		for _, s := range list.GetListServicesResponse().GetService() {
			names = append(names, s.GetName())
		}
		if len(names) != len(f.Services)+1 || names[0] != self {
			t.Errorf("listed %v", names)
		}
		for i, s := range f.Services {
			if names[i+1] != s.Name {
				t.Errorf("listed %v, want them sorted", names)
			}
		}
		symbol := func(name string) *grpc_reflection_v1.ServerReflectionResponse {
			return ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}})
		}
		for range 2 { // also when it was asked for before
			if files := symbol(f.Services[0].Name).GetFileDescriptorResponse().GetFileDescriptorProto(); len(files) == 0 {
				t.Error("no file for a service that is served")
			}
		}
		if code := symbol("no.such.Symbol").GetErrorResponse().GetErrorCode(); codes.Code(code) != codes.NotFound {
			t.Errorf("unknown symbol: code %d, want NOT_FOUND", code)
		}
		if code := ask(&grpc_reflection_v1.ServerReflectionRequest{}).GetErrorResponse().GetErrorCode(); codes.Code(code) != codes.InvalidArgument {
			t.Errorf("nothing asked: code %d, want INVALID_ARGUMENT", code)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
	}
}
