package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// again is how often a state that a proxy reaches in its own time is asked for.
const again = 5 * time.Millisecond

// until asks ok until it says yes; otherwise the case fails with what it said last.
func (s *scene) until(requirement, expected string, ok func() (bool, string)) {
	ticker := time.NewTicker(again)
	defer ticker.Stop()
	for {
		yes, got := ok()
		if yes {
			return
		}
		select {
		case <-ticker.C:
		case <-s.ctx.Done():
			s.t.Fail(suite.Failure{Requirement: requirement, Expected: expected, Got: got})
		}
	}
}

// health asks for the state of service ("" is the whole).
func (s *scene) health(service string) (grpc_health_v1.HealthCheckResponse_ServingStatus, error) {
	var response grpc_health_v1.HealthCheckResponse
	_, err := s.client.Unary(s.ctx, grpc_health_v1.Health_Check_FullMethodName, &grpc_health_v1.HealthCheckRequest{Service: service}, &response, nil)
	return response.GetStatus(), err
}

// becomes waits for the health check to say that the proxy serves, or does not. A port that is not bound does not serve either.
func (s *scene) becomes(requirement string, serving bool) {
	s.until(requirement, fmt.Sprintf("the health check to come to say whether the proxy is ready (%t)", serving), func() (bool, string) {
		state, err := s.health("")
		if serving {
			return err == nil && state == grpc_health_v1.HealthCheckResponse_SERVING, fmt.Sprintf("%s, %v", state, err)
		}
		return state == grpc_health_v1.HealthCheckResponse_NOT_SERVING || status.Code(err) == codes.Unavailable, fmt.Sprintf("%s, %v", state, err)
	})
}

// operationCase makes a case with a proxy of its own; run starts it.
func operationCase(name, title string, needs, requirements []string, run func(ctx context.Context, t *suite.T)) suite.Case {
	return suite.Case{
		ID: "ops/proxy/" + name, Title: title, Requirements: requirements, Kind: suite.Proxy, Needs: needs, OwnTarget: true, Timeout: 40 * time.Second, Run: run,
	}
}

func operationCases() []suite.Case {
	return []suite.Case{
		{
			ID: "ops/proxy/health", Title: "the health check answers for the whole and for each discovered service, and NOT_FOUND for any other",
			Requirements: requires("OPS-15", "OPS-16"), Kind: suite.Proxy,
			Run: func(ctx context.Context, t *suite.T) {
				s := shared(ctx, t)
				s.client = t.Client()
				services := []string{""}
				for _, e := range model.Spec().GetEntities() {
					services = append(services, e.GetServiceName())
				}
				for _, service := range services {
					state, err := s.health(service)
					t.Require(err == nil && state == grpc_health_v1.HealthCheckResponse_SERVING, suite.Failure{
						Requirement: "OPS-16", Expected: fmt.Sprintf("SERVING for %q", service), Got: fmt.Sprintf("%s, %v", state, err),
					})
				}
				for _, service := range []string{"no.such.Service", "cloudstate.tck.model", model.ActionService + ".ProcessUnary"} {
					_, err := s.health(service)
					t.Status(err, codes.NotFound, "", suite.Failure{Requirement: "OPS-16"})
				}
			},
		},
		operationCase("readiness", "a proxy is live always, and ready only while its user function was accepted and can be reached", []string{suite.NeedManagement},
			requires("OPS-01", "OPS-03", "OPS-02"), func(ctx context.Context, t *suite.T) {
				s := newScene(ctx, t, nil)
				t.Check(t.Proxy().Launch(s.ctx, hasty...), suite.Failure{})
				s.probe("OPS-03", "/live", http.StatusOK)
				s.probe("OPS-03", "/alive", http.StatusOK)
				s.probe("OPS-01", "/ready", http.StatusServiceUnavailable)
				s.function = t.Serve(suite.ModelFunction())
				s.probe("OPS-01", "/ready", http.StatusOK)
				s.function.Kill()
				s.probe("OPS-02", "/ready", http.StatusServiceUnavailable)
				s.probe("OPS-03", "/live", http.StatusOK)
				s.probe("OPS-03", "/alive", http.StatusOK)
				s.comesBack()
				s.probe("OPS-02", "/ready", http.StatusOK)
			}),
		operationCase("health-before-discovery", "before an answer was accepted, clients are told so, or refused, and do not wait", nil,
			requires("OPS-15", "OPS-20"), func(ctx context.Context, t *suite.T) {
				config := suite.ModelFunction()
				config.Spec = versioned(model.Spec(), 0, 9)
				s := newScene(ctx, t, t.Serve(config))
				t.Check(t.Proxy().Launch(s.ctx, hasty...), suite.Failure{})
				reports(s, "DISC-19", "0.9")
				limited, cancel := context.WithTimeout(s.ctx, 5*time.Second)
				defer cancel()
				s.ctx = limited
				check := &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_NOT_SERVING}
				got, err := s.exchange(exchange{method: grpc_health_v1.Health_Check_FullMethodName})
				if errors.Is(err, syscall.ECONNREFUSED) {
					return
				}
				t.Check(err, suite.Failure{
					Expected: "the health check to answer NOT_SERVING, or the connection to be refused",
					Remedy:   "serve the public port from the start, with UNAVAILABLE and NOT_SERVING, or do not bind it before there is something to serve",
				})
				got.replies(s, "OPS-15", encode(check))
			}),
		operationCase("health-watch", "Check and Watch follow the loss and the return of the user function", nil,
			requires("OPS-15", "OPS-17", "OPS-02"), func(ctx context.Context, t *suite.T) {
				s := own(ctx, t, suite.ModelFunction(), hasty...)
				stream, err := s.client.Stream(s.ctx, grpc_health_v1.Health_Watch_FullMethodName, nil)
				t.Check(err, suite.Failure{Requirement: "OPS-17"})
				if err := stream.Send(&grpc_health_v1.HealthCheckRequest{}); err != nil {
					t.KitFault(err)
				}
				if err := stream.CloseSend(); err != nil {
					t.KitFault(err)
				}
				watches := func(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
					var got grpc_health_v1.HealthCheckResponse
					t.Check(stream.Recv(&got), suite.Failure{Requirement: "OPS-17", Expected: "the watcher to be told " + want.String()})
					t.Require(got.GetStatus() == want, suite.Failure{Requirement: "OPS-17", Expected: want.String(), Got: got.GetStatus().String()})
				}
				watches(grpc_health_v1.HealthCheckResponse_SERVING)
				for range 2 {
					s.function.Kill()
					watches(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
					s.becomes("OPS-15", false)
					s.comesBack()
					watches(grpc_health_v1.HealthCheckResponse_SERVING)
					s.becomes("OPS-15", true)
				}
			}),
		operationCase("stop", "on SIGTERM calls in flight are answered, new ones refused, idle streams half-closed, and the exit status is 0",
			[]string{suite.EventSourced, suite.Action}, requires("OPS-06", "OPS-07", "OPS-12", "OPS-14"), func(ctx context.Context, t *suite.T) {
				s := own(ctx, t, suite.ModelFunction())
				s.claims(model.ActionService, unary.name)
				idle := s.entity(eventSourced, eventSourced.model).put("OPS-14", "kept")
				e := s.entity(eventSourced, eventSourced.model)
				slow := e.call("slow")
				i := e.opens("OPS-07")
				i.command("OPS-07", "slow")
				acted := s.call(unary.method(), step("slow"), said(""))
				h := s.handles("OPS-07", model.ActionService, unary.name, unary)
				if err := t.Proxy().Signal(); err != nil {
					t.KitFault(err)
				}
				// The signal is delivered in its own time: calls may be served until it is.
				for _, client := range []*suite.Client{s.client, s.connect()} {
					s.until("OPS-12", "new calls to be refused with UNAVAILABLE after SIGTERM", func() (bool, string) {
						_, err := client.Unary(s.ctx, "/"+eventSourced.model+"/Process", eventSourced.request(t.ID("late"), ""), eventSourced.response(""), nil)
						t.Require(err == nil || status.Code(err) == codes.Unavailable, suite.Failure{Requirement: "OPS-12", Expected: "a reply, or UNAVAILABLE", Got: fmt.Sprint(err)})
						return err != nil, "they are still served"
					})
				}
				i.replies("slow", "kept, too")
				slow.replies("OPS-07", eventSourced.response("slow"))
				h.replies("acted")
				acted.replies("OPS-07", said("acted"))
				t.Check(idle.ExpectHalfClose(s.ctx), suite.Failure{Requirement: "OPS-14"})
				idle.Complete()
				t.Check(i.ExpectHalfClose(s.ctx), suite.Failure{Requirement: "OPS-14"})
				i.Complete()
				s.exits()
			}),
		operationCase("interrupt", "SIGINT ends a proxy in an orderly way, with exit status 0", []string{suite.Action}, requires("OPS-06", "OPS-07"),
			func(ctx context.Context, t *suite.T) {
				s := own(ctx, t, suite.ModelFunction())
				s.claims(model.ActionService, streamedOut.name)
				c := s.begun(streamedOut, "slow")
				h := s.handles("OPS-07", model.ActionService, streamedOut.name, streamedOut)
				h.replies("before")
				c.gets("OPS-07", "before")
				if err := t.Proxy().Interrupt(); err != nil {
					t.KitFault(err)
				}
				h.replies("after")
				h.Complete()
				c.gets("OPS-07", "after")
				c.completes("OPS-07")
				s.exits()
			}),
		operationCase("stop-unanswered", "a proxy is gone in a bounded time after SIGTERM, also when the user function answers nothing, and its clients have an answer",
			[]string{suite.EventSourced, suite.Action}, requires("OPS-13", "LIM-23"), func(ctx context.Context, t *suite.T) {
				s := own(ctx, t, suite.ModelFunction(), "CLOUDSTATE_SHUTDOWN_TIMEOUT=500ms")
				s.claims(model.ActionService, streamed.name)
				e := s.entity(eventSourced, eventSourced.model)
				stuck := e.call("never answered")
				e.opens("OPS-13").command("OPS-13", "never answered")
				c := s.begun(streamed, "")
				h := s.handles("OPS-13", model.ActionService, streamed.name, streamed)
				h.expects("OPS-13", &action.ActionCommand{ServiceName: model.ActionService, Name: streamed.name})
				signalled := time.Now()
				if err := t.Proxy().Signal(); err != nil {
					t.KitFault(err)
				}
				<-stuck.done
				t.Require(stuck.err != nil, suite.Failure{Requirement: "OPS-13", Expected: "an error to a call that nobody answered", Got: "a reply"})
				_, err := c.RecvBytes()
				t.Require(err != nil && !errors.Is(err, io.EOF), suite.Failure{Requirement: "OPS-13", Expected: "an error to a call that nobody answered", Got: fmt.Sprint(err)})
				_, err = t.Proxy().Wait(s.ctx)
				// The default shutdown time-out of 10 s, for proxies that do not take the setting, and the 5 s of OPS-13.
				const bound = 15 * time.Second
				t.Require(err == nil && time.Since(signalled) <= bound, suite.Failure{
					Requirement: "OPS-13", Expected: "the process to be gone within " + bound.String(), Got: fmt.Sprintf("after %s: %v", time.Since(signalled).Round(time.Millisecond), err),
				})
				if took := time.Since(signalled); took > 6*time.Second {
					t.Notef("the proxy took %s to stop; it seems not to take CLOUDSTATE_SHUTDOWN_TIMEOUT", took.Round(time.Millisecond))
				}
			}),
	}
}

// comesBack starts the user function again where it was.
func (s *scene) comesBack() {
	if err := s.function.Start(""); err != nil {
		s.t.KitFault(err)
	}
}

// exits waits for the proxy's end, which must be with status 0.
func (s *scene) exits() {
	exit, err := s.t.Proxy().Wait(s.ctx)
	s.t.Check(err, suite.Failure{Requirement: "OPS-06", Expected: "the process to end after the signal"})
	s.t.Require(exit == 0, suite.Failure{
		Requirement: "OPS-06", Expected: "exit status 0 after an orderly stop", Got: fmt.Sprintf("exit status %d; it last said: %s", exit, strings.Join(s.t.Proxy().Logs(5), " | ")),
	})
}

// probe asks the management port until it answers with this status.
func (s *scene) probe(requirement, path string, want int) {
	url := "http://" + s.t.Proxy().Management + path
	s.until(requirement, fmt.Sprintf("GET %s to answer with status %d", path, want), func() (bool, string) {
		request, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url, nil)
		if err != nil {
			s.t.KitFault(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			s.alive(requirement) // a process that has ended will not answer
			return false, err.Error()
		}
		defer response.Body.Close()
		return response.StatusCode == want, response.Status
	})
}
