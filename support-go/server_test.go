package cloudstate_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	model "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
	"github.com/stateful-serverless/cloudstate/support-go/action"
	"github.com/stateful-serverless/cloudstate/support-go/eventsourced"
	"github.com/stateful-serverless/cloudstate/support-go/internal/servertest"
	"github.com/stateful-serverless/cloudstate/support-go/tckmodel"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func dial(t *testing.T, address string) *mockproxy.Proxy {
	t.Helper()
	proxy, err := mockproxy.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	return proxy
}

// TestDiscovery holds the answer against DISC-05 to DISC-07, DISC-26, DISC-28 and DISC-29.
func TestDiscovery(t *testing.T) {
	address, logged := servertest.Start(t, &cloudstate.Server{Name: "n", Version: "v", Services: tckmodel.Services()})
	proxy := dial(t, address)
	// A proxy that supports less gets the same answer (DISC-27), and so does one that asks again (DISC-59).
	less := mockproxy.Info(0, 2)
	less.SupportedEntityTypes = []string{mockproxy.EventSourcedType, mockproxy.ValueEntityType}
	spec, err := proxy.Discover(t.Context(), less)
	if err != nil {
		t.Fatal(err)
	}
	again, err := proxy.Discover(t.Context(), mockproxy.Info(0, 2))
	if err != nil || !proto.Equal(spec, again) {
		t.Errorf("second answer differs: %v, %v", again, err)
	}
	if !strings.Contains(logged(), "does not support this kind of entity") {
		t.Error("the missing support was not logged")
	}

	files := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(spec.GetProto(), files); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files.GetFile() {
		for _, dependency := range file.GetDependency() {
			if !seen[dependency] {
				t.Errorf("%s comes before its import %s", file.GetName(), dependency)
			}
		}
		if seen[file.GetName()] {
			t.Errorf("%s comes twice", file.GetName())
		}
		seen[file.GetName()] = true
	}
	registry, err := protodesc.NewFiles(files)
	if err != nil {
		t.Fatalf("the set does not stand alone: %v", err)
	}
	type declared struct {
		kind, id string
		timeout  int64
	}
	want := map[string]declared{
		"cloudstate.tck.model.EventSourcedTckModel":              {mockproxy.EventSourcedType, "event-sourced-tck-model", 0},
		"cloudstate.tck.model.EventSourcedTwo":                   {mockproxy.EventSourcedType, "event-sourced-tck-model-two", 0},
		"cloudstate.tck.model.EventSourcedConfigured":            {mockproxy.EventSourcedType, "event-sourced-configured", 100},
		"cloudstate.tck.model.valueentity.ValueEntityTckModel":   {mockproxy.ValueEntityType, "value-entity-tck-model", 0},
		"cloudstate.tck.model.valueentity.ValueEntityTwo":        {mockproxy.ValueEntityType, "value-entity-tck-model-two", 0},
		"cloudstate.tck.model.valueentity.ValueEntityConfigured": {mockproxy.ValueEntityType, "value-entity-configured", 100},
		"cloudstate.tck.model.action.ActionTckModel":             {mockproxy.ActionType, "", 0},
		"cloudstate.tck.model.action.ActionTwo":                  {mockproxy.ActionType, "", 0},
	}
	for _, entity := range spec.GetEntities() {
		name := entity.GetServiceName()
		if _, err := registry.FindDescriptorByName(protoreflect.FullName(name)); err != nil {
			t.Error(err)
		}
		got := declared{entity.GetEntityType(), entity.GetPersistenceId(), entity.GetPassivationStrategy().GetTimeout().GetTimeout()}
		if got != want[name] {
			t.Errorf("%s is declared as %+v, want %+v", name, got, want[name])
		}
		if (entity.GetPassivationStrategy() != nil) != (want[name].timeout != 0) {
			t.Errorf("%s: passivation strategy %v", name, entity.GetPassivationStrategy())
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("not declared: %v", want)
	}
	info := spec.GetServiceInfo()
	if info.GetProtocolMajorVersion() != 0 || info.GetProtocolMinorVersion() != 2 || info.GetServiceName() != "n" ||
		info.GetServiceVersion() != "v" || info.GetServiceRuntime() == "" || info.GetSupportLibraryName() == "" {
		t.Errorf("service info: %v", info)
	}
}

// TestReportError: what a proxy reports is answered (DISC-20) and logged where a person sees it (DISC-45).
func TestReportError(t *testing.T) {
	address, logged := servertest.Start(t, &cloudstate.Server{Services: tckmodel.Services()})
	if err := dial(t, address).ReportError(t.Context(), "what is wrong"); err != nil {
		t.Fatal(err)
	}
	if log := logged(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, `message="what is wrong"`) {
		t.Errorf("not logged as an error:\n%s", log)
	}
}

func cart(*struct{}, *eventsourced.Context, *shoppingcart.AddLineItem) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func call(*struct{}, *eventsourced.Context, *model.Request) (*model.Response, error) {
	return &model.Response{}, nil
}

// TestCheck: each mistake in a definition is found before anything is served, and the error says where it is.
func TestCheck(t *testing.T) {
	config := eventsourced.Config{Service: &shoppingcart.ShoppingCart_ServiceDesc, PersistenceID: "cart"}
	two := func(id string) cloudstate.Service {
		return eventsourced.New(eventsourced.Config{Service: &model.EventSourcedTwo_ServiceDesc, PersistenceID: id},
			eventsourced.Command(model.EventSourcedTwo_Call_FullMethodName, call))
	}
	configured := eventsourced.New(
		eventsourced.Config{Service: &model.EventSourcedConfigured_ServiceDesc, PersistenceID: "same"},
		eventsourced.Command(model.EventSourcedConfigured_Call_FullMethodName, call))
	addItem := eventsourced.Command(shoppingcart.ShoppingCart_AddItem_FullMethodName, cart)
	for name, c := range map[string]struct {
		server cloudstate.Server
		words  []string
	}{
		"nothing to serve": {cloudstate.Server{}, []string{"no services"}},
		"nil service":      {serving(nil), []string{"service number 1 is nil"}},
		"missing handlers": {serving(eventsourced.New(config, addItem)), []string{
			"com.example.shoppingcart.ShoppingCart", "rpc RemoveItem has no handler",
			"taking *com.example.shoppingcart.GetShoppingCart and giving *com.example.shoppingcart.Cart",
		}},
		"wrong input": {
			serving(eventsourced.New(config, eventsourced.Command(shoppingcart.ShoppingCart_GetCart_FullMethodName, cart))),
			[]string{"rpc GetCart takes com.example.shoppingcart.GetShoppingCart, its handler takes"},
		},
		"wrong output": {
			serving(eventsourced.New(config, eventsourced.Command(shoppingcart.ShoppingCart_AddItem_FullMethodName,
				func(*struct{}, *eventsourced.Context, *shoppingcart.AddLineItem) (*shoppingcart.Cart, error) {
					return nil, nil
				}))),
			[]string{`rpc AddItem gives google.protobuf.Empty, its handler gives "com.example.shoppingcart.Cart"`},
		},
		"message interface": {
			serving(eventsourced.New(config, eventsourced.Command(shoppingcart.ShoppingCart_AddItem_FullMethodName,
				func(*struct{}, *eventsourced.Context, proto.Message) (proto.Message, error) { return nil, nil }))),
			[]string{`rpc AddItem takes com.example.shoppingcart.AddLineItem, its handler takes ""`},
		},
		"two handlers":  {serving(eventsourced.New(config, addItem, addItem)), []string{"rpc AddItem has two handlers"}},
		"other service": {serving(eventsourced.New(config, eventsourced.Command(model.EventSourcedTwo_Call_FullMethodName, call))), []string{"belongs to another service"}},
		"no such rpc":   {serving(eventsourced.New(config, eventsourced.Command("/com.example.shoppingcart.ShoppingCart/Nothing", cart))), []string{"there is no such rpc"}},
		"bare name":     {serving(eventsourced.New(config, eventsourced.Command("AddItem", cart))), []string{`"AddItem" is not the full name of an rpc`}},
		"no service":    {serving(eventsourced.New[struct{}](eventsourced.Config{PersistenceID: "x"})), []string{"none given"}},
		"unknown service": {
			serving(eventsourced.New[struct{}](eventsourced.Config{Service: &grpc.ServiceDesc{ServiceName: "x.Y"}, PersistenceID: "x"})),
			[]string{`"x.Y"`, "import the package"},
		},
		"persistence id": {serving(two("")), []string{"EventSourcedTwo", "the persistence id is empty"}},
		"no entity key": {
			serving(eventsourced.New[struct{}](eventsourced.Config{Service: &actionmodel.ActionTwo_ServiceDesc, PersistenceID: "x"})),
			[]string{"rpc Call: no field of cloudstate.tck.model.action.OtherRequest is marked"},
		},
		"streamed entity": {
			serving(eventsourced.New[struct{}](eventsourced.Config{Service: &actionmodel.ActionTckModel_ServiceDesc, PersistenceID: "x"})),
			[]string{"rpc ProcessStreamedIn is streamed"},
		},
		"passivation": {
			serving(eventsourced.New[struct{}](eventsourced.Config{
				Service: &model.EventSourcedTwo_ServiceDesc, PersistenceID: "x", PassivationTimeout: time.Microsecond,
			})),
			[]string{"passivation time-out 1µs"},
		},
		"snapshot every": {
			serving(eventsourced.New[struct{}](eventsourced.Config{
				Service: &model.EventSourcedTwo_ServiceDesc, PersistenceID: "x", SnapshotEvery: -1,
			})),
			[]string{"SnapshotEvery is -1"},
		},
		"event type":      {serving(eventsourced.New(config, eventsourced.Event(func(*struct{}, int) {}))), []string{"eventsourced.Event: int: no Cloudstate encoding"}},
		"same event":      {serving(eventsourced.New(config, eventsourced.Event(func(*struct{}, bool) {}), eventsourced.Event(func(*struct{}, bool) {}))), []string{"p.cloudstate.io/bool has two handlers"}},
		"two initials":    {serving(eventsourced.New(config, initial(), initial())), []string{"eventsourced.Initial is given twice"}},
		"action handlers": {serving(action.New(&actionmodel.ActionTckModel_ServiceDesc)), []string{"add action.StreamedOut(", "add action.Streamed(", "add action.StreamedIn(", "add action.Unary("}},
		"action shape": {
			serving(action.New(&actionmodel.ActionTckModel_ServiceDesc, action.Unary(actionmodel.ActionTckModel_ProcessStreamed_FullMethodName,
				func(*action.Context, *actionmodel.Request) (*actionmodel.Response, error) { return nil, nil }))),
			[]string{"rpc ProcessStreamed is streamed in and out, action.Unary is for one that is unary"},
		},
		"same service twice":  {serving(two("a"), two("b")), []string{"EventSourcedTwo is given twice"}},
		"same persistence id": {serving(two("same"), configured), []string{"EventSourcedTwo", "EventSourcedConfigured", `share the persistence id "same"`}},
		"message size":        {cloudstate.Server{Services: tckmodel.Services(), MaxMessageSize: -1}, []string{"MaxMessageSize is -1"}},
		"grace":               {cloudstate.Server{Services: tckmodel.Services(), Grace: -1}, []string{"grace is -1ns"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.server.Check()
			if !errors.Is(err, cloudstate.ErrDefinition) {
				t.Fatalf("got %v, want an ErrDefinition", err)
			}
			for _, words := range c.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("no %q in: %v", words, err)
				}
			}
			if run := c.server.Run(t.Context()); run == nil || run.Error() != err.Error() {
				t.Errorf("Run gives %v", run)
			}
		})
	}
	good := cloudstate.Server{Services: tckmodel.Services()}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

func serving(services ...cloudstate.Service) cloudstate.Server {
	return cloudstate.Server{Services: services}
}

func initial() eventsourced.Handler[struct{}] {
	return eventsourced.Initial(func(string) *struct{} { return &struct{}{} })
}

// TestAddress: HOST and PORT that cannot be used are refused with what to do about it.
func TestAddress(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ host, port, words string }{
		"not a number": {"", "http", `PORT is "http"`},
		"too large":    {"", "65536", `PORT is "65536"`},
		"in use":       {"127.0.0.1", port, "set HOST and PORT to a free address"},
		"not ours":     {"192.0.2.1", "0", "set HOST and PORT to a free address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOST", c.host)
			t.Setenv("PORT", c.port)
			err := cloudstate.Run(t.Context(), tckmodel.Services()...)
			if !errors.Is(err, cloudstate.ErrAddress) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v, want an ErrAddress with %q", err, c.words)
			}
		})
	}
}

// TestSignal: SIGTERM stops Run in order (OPS-11).
func TestSignal(t *testing.T) {
	t.Setenv("HOST", "")
	t.Setenv("PORT", "0")
	listening := make(chan struct{})
	log := slog.New(slog.NewTextHandler(&waiter{words: "is listening", seen: listening}, nil))
	server := &cloudstate.Server{Services: tckmodel.Services(), Logger: log}
	ended := make(chan error, 1)
	go func() { ended <- server.Run(context.WithoutCancel(t.Context())) }()
	<-listening
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v, want an orderly end", err)
	}
}

// waiter is a log that closes seen when a line with words comes.
type waiter struct {
	words string
	seen  chan struct{}
}

func (w *waiter) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(w.words)) {
		close(w.seen)
	}
	return len(line), nil
}

// TestStop: a stopping server answers what is in flight, and cuts streams that outlast its grace.
func TestStop(t *testing.T) {
	t.Run("in flight", func(t *testing.T) {
		entered, release := make(chan struct{}), make(chan struct{})
		stream, stop, ended := openStream(t, time.Hour, func() { close(entered); <-release })
		<-entered
		stop()
		close(release)
		if reply, err := stream.Recv(t.Context()); err != nil || reply.GetReply().GetCommandId() != 1 {
			t.Errorf("the command in flight got %v, %v", reply, err)
		}
		if err := stream.Passivate(t.Context()); err != nil {
			t.Errorf("the end of the stream: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Run("kept open", func(t *testing.T) {
		stream, stop, ended := openStream(t, 100*time.Millisecond, func() {})
		if reply, err := stream.Recv(t.Context()); err != nil || reply.GetReply().GetCommandId() != 1 {
			t.Fatalf("the command got %v, %v", reply, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if message, err := stream.Recv(t.Context()); err == nil {
			t.Errorf("the stream was not cut: %v", message)
		}
	})
}

// openStream serves an entity whose command calls handle, and brings one command to it. stop asks the server to stop and
// returns when it has begun to; ended gets what Serve returned.
func openStream(t *testing.T, grace time.Duration, handle func()) (stream *mockproxy.EventSourced, stop func(), ended <-chan error) {
	t.Helper()
	service := eventsourced.New(
		eventsourced.Config{Service: &model.EventSourcedTwo_ServiceDesc, PersistenceID: "x"},
		eventsourced.Command(model.EventSourcedTwo_Call_FullMethodName,
			func(*struct{}, *eventsourced.Context, *model.Request) (*model.Response, error) {
				handle()
				return &model.Response{}, nil
			}))
	stopping := make(chan struct{})
	log := slog.New(slog.NewTextHandler(&waiter{words: "user function stops", seen: stopping}, nil))
	server := &cloudstate.Server{Services: []cloudstate.Service{service}, Logger: log, Grace: grace}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()

	stream, err = dial(t, listener.Addr().String()).EventSourced(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stream.Cancel)
	if err := errors.Join(stream.Init("cloudstate.tck.model.EventSourcedTwo", "e"), stream.Command(1, "Call", &model.Request{Id: "e"})); err != nil {
		t.Fatal(err)
	}
	return stream, func() { cancel(); <-stopping }, served
}

// TestHealth: grpc.health.v1 answers for the whole and for each kind that is served (OPS-18).
func TestHealth(t *testing.T) {
	address, _ := servertest.Start(t, &cloudstate.Server{Services: tckmodel.Services()})
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	for _, service := range []string{"", mockproxy.EventSourcedType, mockproxy.ValueEntityType, mockproxy.ActionType} {
		answer, err := healthpb.NewHealthClient(connection).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil || answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, %v", service, answer, err)
		}
	}
}

// TestMetadata: keys are found without regard to case (META-13), text and bytes apart, in order.
func TestMetadata(t *testing.T) {
	in := cloudstate.Metadata{
		cloudstate.Text("K", "1"), cloudstate.Binary("k-bin", []byte{2}), cloudstate.Text("k", "3"), cloudstate.Binary("none-bin", nil),
		cloudstate.Text("broken", "a\xffb"),
	}
	out := cloudstate.MetadataOf(in.Proto())
	if value, ok := out.Get("k"); !ok || value != "1" {
		t.Errorf("Get: %q, %v", value, ok)
	}
	if values := out.Values("K"); len(values) != 2 || values[1] != "3" {
		t.Errorf("Values: %q", values)
	}
	if value, ok := out.GetBytes("K-BIN"); !ok || !bytes.Equal(value, []byte{2}) {
		t.Errorf("GetBytes: %v, %v", value, ok)
	}
	if value, ok := out.GetBytes("none-bin"); !ok || len(value) != 0 {
		t.Errorf("empty bytes: %v, %v", value, ok)
	}
	if value, _ := out.Get("broken"); value != "a\uFFFDb" {
		t.Errorf("broken text became %q", value)
	}
	if _, ok := out.Get("k-bin"); ok {
		t.Error("bytes were found as text")
	}
	if cloudstate.Metadata(nil).Proto() != nil || cloudstate.MetadataOf(&protocol.Metadata{}) != nil {
		t.Error("no entries is not nil")
	}
}
