package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace/wire"
	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// The test binary plays the targets too: with FAKE set it is a proxy, a frontend, or a kit that runs under Ginkgo.
func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	switch os.Getenv("FAKE") {
	case "proxy":
		fakeProxy(ctx)
	case "frontend":
		fakeFrontend(ctx)
	case "broken":
		say("cannot open the store")
		os.Exit(7)
	case "ginkgo":
		fakeKit(ctx)
	default:
		stop()
		goleak.VerifyTestMain(m)
	}
	stop()
}

// fake returns a target that is this binary in another role.
func fake(role target.Role, as string) target.Ref {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return target.Ref{Role: role, Scheme: target.Exec, Value: "FAKE=" + as + " exec " + self}
}

// say writes a line to the standard output, which the kit captures.
func say(words ...any) { _, _ = fmt.Fprintln(os.Stdout, words...) }

func must(err error) {
	if err != nil {
		say("fake:", err)
		os.Exit(1)
	}
}

// The calls that the fake proxy knows.
const (
	callEcho  = "/fake.Proxy/Echo"  // answers at once
	callCrash = "/fake.Proxy/Crash" // ends the process
	callHang  = "/fake.Proxy/Hang"  // never answers
	callAsk   = "/fake.Proxy/Ask"   // reports an error to the user function, then answers
)

// fakeProxy discovers its user function, then serves.
func fakeProxy(ctx context.Context) {
	function := net.JoinHostPort(os.Getenv("USER_FUNCTION_HOST"), os.Getenv("USER_FUNCTION_PORT"))
	info := kitInfo()
	info.ProxyName, info.SupportedEntityTypes = "fake", []string{suite.EventSourced}
	for {
		_, err := target.Discover(ctx, function, info)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
	}
	conn, err := grpc.NewClient("passthrough:///"+function, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HTTP_HOST"), os.Getenv("HTTP_PORT")))
	must(err)
	say("store", os.Getenv("CLOUDSTATE_STORE"))
	say("namespace", os.Getenv("CLOUDSTATE_STORE_NAMESPACE"))
	say("url", os.Getenv("FAKE_URL"))
	server := grpc.NewServer(grpc.ForceServerCodecV2(wire.Codec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var frame wire.Frame
		if err := stream.RecvMsg(&frame); err != nil {
			return err
		}
		switch method, _ := grpc.MethodFromServerStream(stream); method {
		case healthpb.Health_Check_FullMethodName:
			return status.Error(codes.Unimplemented, "a proxy without health")
		case callCrash:
			say("panic: nobody expects this")
			os.Exit(3)
		case callHang:
			<-stream.Context().Done()
			return stream.Context().Err()
		case callAsk:
			if _, err := cloudstate.NewEntityDiscoveryClient(conn).ReportError(stream.Context(), &cloudstate.UserFunctionError{Message: "asked"}); err != nil {
				return err
			}
		}
		return stream.SendMsg(&frame)
	}))
	context.AfterFunc(ctx, server.Stop)
	must(server.Serve(listener))
}

// fakeFrontend serves the model.
func fakeFrontend(ctx context.Context) {
	function := mockfunction.New(mockfunction.Config{Spec: model.Spec(), EventSourced: model.EventSourced{}.New})
	must(function.Start(net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT"))))
	<-ctx.Done()
	function.Kill()
}

// catalogue has one requirement for each party.
func catalogue() *spec.Catalogue {
	c, err := spec.Parse([]byte(specText))
	if err != nil {
		panic(err)
	}
	return c
}

// specText is the smallest specification with a requirement for each party.
const specText = `# Test

Specification version: **0.2.0**. Protocol version: **0.2**.

## Conformance

### Profiles

| profile | applies to a target that | state |
|---|---|---|
| ` + "`core`" + ` | takes part at all | in force |

## Event sourced entities (ES)

- **ES-01** (proxy, core) MUST work.
- **ES-02** (frontend, core) MUST work.
- **ES-03** (both, core) MUST work.
`

// config judges both fakes with cases, in order.
func config(cases ...suite.Case) Config {
	return Config{
		Proxy: fake(target.Proxy, "proxy"), Frontend: fake(target.Frontend, "frontend"), Store: "embedded",
		Catalogue: catalogue(), Cases: cases, Schedule: InOrder, Seed: 1,
		Timeout: time.Minute, StartTimeout: time.Minute,
	}
}

// proof makes a case of a kind that runs run.
func proof(id string, kind suite.Kind, run func(context.Context, *suite.T)) suite.Case {
	requirement := map[suite.Kind]string{suite.Proxy: "ES-01", suite.Frontend: "ES-02", suite.Pair: "ES-03"}[kind]
	return suite.Case{ID: id, Title: id, Requirements: []string{requirement}, Kind: kind, Run: run}
}

// call makes a call of the fake proxy.
func call(method string) func(context.Context, *suite.T) {
	return func(ctx context.Context, t *suite.T) {
		_, err := t.Client().Unary(ctx, method, &emptypb.Empty{}, &emptypb.Empty{}, nil)
		t.Check(err, suite.Failure{Expected: "an answer"})
	}
}

// wrote waits until the fake proxy has written n lines that begin so, and returns all its lines: a proxy that serves has written them, but they still have
// a pipe and a goroutine of the kit to pass.
func wrote(ctx context.Context, t *suite.T, line string, n int) []string {
	var lines []string
	t.Check(target.Await(ctx, func(context.Context) error {
		lines = t.Proxy().Logs(0)
		found := 0
		for _, l := range lines {
			if strings.HasPrefix(l, line) {
				found++
			}
		}
		if found < n {
			return fmt.Errorf("%d lines begin with %q", found, line)
		}
		return nil
	}, nil), suite.Failure{Expected: fmt.Sprintf("%d lines that begin with %q", n, line)})
	return lines
}

// fakeKit runs two cases under Ginkgo, and prints the order in which they ran and the report.
func fakeKit(ctx context.Context) {
	var order []string
	note := func(id string) suite.Case {
		return proof(id, suite.Frontend, func(_ context.Context, t *suite.T) {
			order = append(order, id)
			t.Require(id != "es/frontend/c", suite.Failure{Expected: "good", Got: "bad"})
		})
	}
	c := config(note("es/frontend/a"), note("es/frontend/b"), note("es/frontend/c"), note("es/frontend/d"), note("es/frontend/e"))
	c.Proxy, c.Schedule, c.Seed = target.Ref{}, Ginkgo, 42
	report, err := Run(ctx, c)
	must(err)
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{"order": order, "report": report}))
}

func result(t *testing.T, r *verdict.Report, id string) verdict.Case {
	t.Helper()
	i := slices.IndexFunc(r.Cases, func(c verdict.Case) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("case %s is not in the report", id)
	}
	return r.Cases[i]
}
