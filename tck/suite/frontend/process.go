package frontend

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// processCases covers the frontend as a process, where the kit itself starts it.
func processCases() []suite.Case {
	return []suite.Case{
		{
			ID: "disc/frontend/host-and-port", Title: "the frontend listens where HOST and PORT say", Requirements: requires("DISC-31"),
			Kind: suite.Frontend, Needs: []string{suite.NeedFrontendProcess},
			Run: func(ctx context.Context, t *suite.T) {
				// The kit started it with HOST and PORT set to this address, which was free before.
				discover(ctx, t, dial(ctx, t), mockproxy.Info(0, 2))
			},
		},
		{
			ID: "disc/frontend/report-error-logged", Title: "what reportError says is in the frontend's log", Requirements: requires("DISC-45"),
			Kind: suite.Frontend, Needs: []string{suite.NeedFrontendProcess}, Run: reportIsLogged,
		},
		{
			ID: "ops/frontend/graceful-stop", Title: "on SIGTERM new calls are refused, one in flight is still answered, however long it takes, and then the process ends",
			Requirements: requires("OPS-11"), Kind: suite.Frontend, Needs: []string{suite.NeedFrontendProcess, suite.Action, actModel},
			OwnTarget: true, Timeout: time.Minute, Run: gracefulStop,
		},
	}
}

// reportIsLogged waits for the report's text in the log, which may take a moment to pass through buffers.
func reportIsLogged(ctx context.Context, t *suite.T) {
	text := "error report " + t.ID("tck")
	t.Check(dial(ctx, t).ReportError(ctx, text), suite.Failure{Requirement: "DISC-20"})
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		logs := strings.Join(t.Frontend().Logs(0), "\n")
		if strings.Contains(logs, text) {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fail(suite.Failure{
				Expected: fmt.Sprintf("%q in what the frontend writes to its output", text), Got: "other lines or none",
				Remedy: "log what the proxy reports at a level that a person sees by default",
			})
		}
	}
}

const (
	// refusalBound is how long after the signal a frontend may still accept calls: it learns of the signal in its own time.
	refusalBound = 10 * time.Second
	// answerBound is how long a call may take that is not refused.
	answerBound = 2 * time.Second
	// inFlight is how long a call stays in flight after the first one was refused: a frontend that ends with it unanswered shows it.
	inFlight = time.Second
)

func gracefulStop(ctx context.Context, t *suite.T) {
	frontend := t.Frontend()
	if err := frontend.Start(ctx); err != nil {
		t.Fail(suite.Failure{Expected: "the frontend to start", Got: err.Error()})
	}
	a := streamedIn(ctx, t)
	a.request(group(actReply("first")))
	// The answer to another call shows that the frontend has got as far as this one.
	p := dial(ctx, t)
	stillServes(ctx, t, p)
	exited := frontend.Exited()
	if err := frontend.Signal(); err != nil {
		t.KitFault(err)
	}
	refusesNewCalls(ctx, t, p)
	select {
	case <-exited:
		t.Fail(suite.Failure{
			Expected: "the process to go on until its call in flight is answered", Got: "its end",
			Remedy: "on SIGTERM, stop accepting calls, wait for those in flight, and end",
		})
	case <-time.After(inFlight):
	}
	a.request(group(actReply("last")))
	a.halfClose()
	a.expect("OPS-11", actReplied("last"))
	a.ends("OPS-11")
	select {
	case <-exited:
	case <-ctx.Done():
		t.Fail(suite.Failure{
			Expected: "the process to end once its calls are answered", Got: "a process that goes on",
			Remedy: "on SIGTERM, stop accepting calls, wait for those in flight, and end",
		})
	}
}

// refusesNewCalls waits until a new call does not get to the frontend any more, on the connection that there is or on another. What a call that did get there
// comes to, an error among it, is no refusal.
func refusesNewCalls(ctx context.Context, t *suite.T, p *mockproxy.Proxy) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); time.Since(began) < refusalBound; <-ticker.C {
		limited, cancel := context.WithTimeout(ctx, answerBound)
		_, err := p.HandleUnary(limited, actCommand(actModel, "ProcessUnary", actRequest(group(actReply("new")))))
		cancel()
		if status.Code(err) == codes.Unavailable {
			return
		}
	}
	t.Fail(suite.Failure{
		Expected: fmt.Sprintf("new calls to be refused within %s of the signal", refusalBound), Got: "calls that are not",
		Remedy: "on SIGTERM, stop listening, tell connected proxies to go away (GOAWAY), and accept no further call",
	})
}
