package proxy

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// requires is a list of requirement ids; it only makes the tables of cases readable.
func requires(ids ...string) []string { return ids }

// pack wraps one of the kit's own messages.
func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("proxy: the kit cannot encode its own %s: %v", m.ProtoReflect().Descriptor().FullName(), err)) //nolint:forbidigo // the kit's own constant message: it is encodable, or the kit is broken
	}
	return a
}

// scene is what a case has at hand: the client in front of the proxy and the user function behind it.
type scene struct {
	// ctx ends somewhat before the case does, so that the report says what was awaited.
	ctx      context.Context
	t        *suite.T
	function *mockfunction.Function
	other    string // the id that roundTrips calls
	client   *suite.Client
}

// shared is the scene on the proxy that all cases share.
func shared(ctx context.Context, t *suite.T) *scene { return newScene(ctx, t, t.Function()) }

// own is the scene on a proxy of the case's own, which is started with env and serves config; it is ready on return.
func own(ctx context.Context, t *suite.T, config mockfunction.Config, env ...string) *scene {
	if deadline, ok := ctx.Deadline(); ok {
		config.Wait = time.Until(deadline)
	}
	s := newScene(ctx, t, t.Serve(config))
	s.start(env...)
	return s
}

func newScene(ctx context.Context, t *suite.T, function *mockfunction.Function) *scene {
	if deadline, ok := ctx.Deadline(); ok {
		limited, cancel := context.WithTimeout(ctx, time.Until(deadline)*3/4)
		t.Cleanup(cancel)
		ctx = limited
	}
	return &scene{ctx: ctx, t: t, function: function}
}

// start starts the proxy, connects to it and waits until it serves.
func (s *scene) start(env ...string) {
	f := suite.Failure{
		Expected: "the proxy to become ready",
		Remedy:   "call discover, accept the answer, bind the public port and answer the health check with SERVING",
	}
	s.t.Check(s.t.Proxy().Start(s.ctx, env...), f)
	s.client = s.connect()
	s.t.Check(s.serving(), f)
}

// connect returns a client with a connection of its own, which is closed after the case.
func (s *scene) connect() *suite.Client {
	client, err := suite.NewClient(s.t.Proxy().Address, s.t.Trace(), trace.Client, trace.Proxy)
	s.t.Check(err, suite.Failure{})
	s.t.Cleanup(client.Close)
	return client
}

// serving waits until the proxy says that it serves. That a proxy has no health check is for the case about it to find.
func (s *scene) serving() error {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		var health grpc_health_v1.HealthCheckResponse
		_, err := s.client.Unary(s.ctx, grpc_health_v1.Health_Check_FullMethodName, &grpc_health_v1.HealthCheckRequest{}, &health, nil)
		if status.Code(err) == codes.Unimplemented || health.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
			return nil
		}
		select {
		case <-again.C:
		case <-s.ctx.Done():
			return fmt.Errorf("the health check said %s (%w)", health.GetStatus(), err)
		}
	}
}

// call is a client's call with one response, in progress or done.
type call struct {
	s        *scene
	method   string
	response proto.Message // empty, of the type wanted
	answer   suite.Answer
	err      error
	done     chan struct{}
}

// call starts a call of method ("/package.Service/Method") and returns at once. response is an empty message of the response's type.
func (s *scene) call(method string, request, response proto.Message) *call {
	return s.callWith(s.ctx, method, request, response, nil)
}

// callWith is call under a context of its own, with request headers.
func (s *scene) callWith(ctx context.Context, method string, request, response proto.Message, md metadata.MD) *call {
	client := s.client
	if client == nil {
		client = s.t.Client()
	}
	return s.callBy(ctx, client, method, request, response, md)
}

func (s *scene) callBy(ctx context.Context, client *suite.Client, method string, request, response proto.Message, md metadata.MD) *call {
	c := &call{s: s, method: method, response: response.ProtoReflect().New().Interface(), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.answer, c.err = client.Unary(ctx, method, request, c.response, md)
	}()
	return c
}

// replies waits for the end of the call, which must be this response.
func (c *call) replies(requirement string, want proto.Message) {
	<-c.done
	c.s.t.Check(c.err, suite.Failure{
		Requirement: requirement,
		Expected:    fmt.Sprintf("the client of %s to get %s", c.method, trace.Text(want)),
	})
	c.s.t.Equal(want, c.response, suite.Failure{Requirement: requirement})
}

// fails waits for the end of the call, which must be this status; an empty text allows any description.
func (c *call) fails(requirement string, code codes.Code, text string) {
	<-c.done
	c.s.t.Status(c.err, code, text, suite.Failure{Requirement: requirement})
}

// ended reports whether the call has ended.
func (c *call) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// waits requires that the call has not ended yet.
func (c *call) waits(requirement, until string) {
	if !c.ended() {
		return
	}
	got := "its reply came before"
	if c.err != nil {
		got = "it ended before: " + c.err.Error()
	}
	c.s.t.Fail(suite.Failure{
		Requirement: requirement,
		Expected:    fmt.Sprintf("the client of %s to wait until %s", c.method, until),
		Got:         got,
	})
}
