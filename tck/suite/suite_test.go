package suite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func exec(t *testing.T, run func(context.Context, *T)) Outcome {
	t.Helper()
	c := Case{ID: "a/b", Kind: Frontend, Requirements: []string{"ES-01", "ES-02"}, Run: run}
	return Execute(t.Context(), c, Env{Nonce: "n", Trace: trace.NewRecorder(0)}, 10*time.Second)
}

func TestOutcomes(t *testing.T) {
	mismatch := &trace.Mismatch{Where: "stream 3", Expected: "a reply", Got: "the end", Diff: "- a\n+ b\n", Cause: errors.New("eof")}
	for _, tt := range []struct {
		name     string
		run      func(context.Context, *T)
		result   Result
		expected string
		got      string
		reason   string
	}{
		{"returns", func(context.Context, *T) {}, Passed, "", "", ""},
		{"fails", func(_ context.Context, t *T) { t.Fail(Failure{Expected: "x", Got: "y"}) }, Failed, "x", "y", ""},
		{"requires what holds", func(_ context.Context, t *T) { t.Require(true, Failure{}) }, Passed, "", "", ""},
		{"checks nil", func(_ context.Context, t *T) { t.Check(nil, Failure{}) }, Passed, "", "", ""},
		{"checks a mismatch", func(_ context.Context, t *T) { t.Check(fmt.Errorf("step 2: %w", mismatch), Failure{}) }, Failed, "a reply", "the end (stream 3)\n- a\n+ b", ""},
		{"keeps its own expectation", func(_ context.Context, t *T) { t.Check(mismatch, Failure{Expected: "mine"}) }, Failed, "mine", "the end", ""},
		{"checks any error", func(_ context.Context, t *T) { t.Check(errors.New("refused"), Failure{}) }, Failed, "without an error", "refused", ""},
		{"checks a kit error", func(_ context.Context, t *T) { t.Check(fmt.Errorf("x: %w", &KitError{errors.New("disk")}), Failure{}) }, Errored, "", "", "disk"},
		{"status of a kit error", func(_ context.Context, t *T) { t.Status(&KitError{errors.New("disk")}, codes.OK, "", Failure{}) }, Errored, "", "", "disk"},
		{"right status", func(_ context.Context, t *T) {
			t.Status(status.Error(codes.Unknown, "no"), codes.Unknown, "no", Failure{})
			t.Status(status.Error(codes.Unknown, "no"), codes.Unknown, "", Failure{})
			t.Status(nil, codes.OK, "", Failure{})
		}, Passed, "", "", ""},
		{"wrong code", func(_ context.Context, t *T) {
			t.Status(status.Error(codes.Internal, "no"), codes.Unknown, "no", Failure{})
		}, Failed, `status Unknown with the description "no"`, "status Internal", ""},
		{"wrong description", func(_ context.Context, t *T) {
			t.Status(status.Error(codes.Unknown, "yes"), codes.Unknown, "no", Failure{})
		}, Failed, `"no"`, `"yes"`, ""},
		{"no status at all", func(_ context.Context, t *T) { t.Status(nil, codes.Unknown, "", Failure{}) }, Failed, "status Unknown", "status OK", ""},
		{"unequal", func(_ context.Context, t *T) {
			t.Equal(&cloudstate.Failure{Description: "a"}, &cloudstate.Failure{Description: "b"}, Failure{})
		}, Failed, `"a"`, `"b"`, ""},
		{"equal", func(_ context.Context, t *T) { t.Equal(&cloudstate.Failure{}, &cloudstate.Failure{}, Failure{}) }, Passed, "", "", ""},
		{"late", func(_ context.Context, t *T) { t.NotApplicable("none") }, NotApplicable, "", "", "none"},
		{"panics", func(context.Context, *T) { panic("ah") }, Errored, "", "", "the kit panicked: ah"},
		{"panics after a failure", func(_ context.Context, t *T) {
			defer func() { panic("ah") }()
			t.Fail(Failure{})
		}, Errored, "", "", "the kit panicked"},
		{"asks for what it has not", func(_ context.Context, t *T) { t.Proxy() }, Errored, "", "", "has no proxy"},
		{"fails in a clean-up", func(_ context.Context, t *T) { t.Cleanup(func() { t.Fail(Failure{Expected: "clean"}) }) }, Failed, "clean", "", ""},
		{"the first outcome counts", func(_ context.Context, t *T) {
			t.Cleanup(func() { t.KitFault(errors.New("later")) })
			t.Fail(Failure{Expected: "first"})
		}, Failed, "first", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := exec(t, tt.run)
			if o.Result != tt.result || !strings.Contains(o.Reason, tt.reason) {
				t.Fatalf("%s (%s), want %s with %q", o.Result, o.Reason, tt.result, tt.reason)
			}
			if (o.Failure != nil) != (tt.result == Failed) {
				t.Fatalf("failure %v with the result %s", o.Failure, o.Result)
			}
			if o.Failure == nil {
				return
			}
			if !strings.Contains(o.Failure.Expected, tt.expected) || !strings.Contains(o.Failure.Got, tt.got) {
				t.Errorf("expected %q, got %q; want %q and %q", o.Failure.Expected, o.Failure.Got, tt.expected, tt.got)
			}
			if o.Failure.Requirement != "ES-01" {
				t.Errorf("requirement %q, want the first of the case", o.Failure.Requirement)
			}
		})
	}
}

func TestHangIsAFailure(t *testing.T) {
	c := Case{ID: "a/b", Kind: Frontend, Requirements: []string{"ES-01"}, Timeout: 20 * time.Millisecond, Run: func(ctx context.Context, _ *T) { <-ctx.Done() }}
	o := Execute(t.Context(), c, Env{}, time.Hour)
	if o.Result != Failed || !strings.Contains(o.Failure.Expected, "20ms") {
		t.Errorf("%+v", o)
	}
}

func TestInterruptionIsNoFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := Case{ID: "a/b", Kind: Frontend, Requirements: []string{"ES-01"}, Run: func(ctx context.Context, t *T) {
		cancel()
		<-ctx.Done()
		t.Check(ctx.Err(), Failure{Expected: "an answer"})
	}}
	if o := Execute(ctx, c, Env{}, time.Hour); o.Result != Errored || !strings.Contains(o.Reason, "interrupted") {
		t.Errorf("%+v", o)
	}
}

// A panic of the kit is told even when the run is being interrupted.
func TestPanicOutlastsAnInterruption(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := Case{ID: "a/b", Kind: Frontend, Requirements: []string{"ES-01"}, Run: func(context.Context, *T) {
		cancel()
		panic("ah")
	}}
	if o := Execute(ctx, c, Env{}, time.Hour); !o.Panicked || !strings.Contains(o.Reason, "ah") {
		t.Errorf("%+v", o)
	}
}

func TestCaseThatIgnoresItsContextIsTheKitsFault(t *testing.T) {
	release := make(chan struct{})
	returned := make(chan struct{})
	c := Case{ID: "a/b", Kind: Frontend, Requirements: []string{"ES-01"}, Timeout: time.Millisecond, Run: func(context.Context, *T) {
		<-release
		close(returned)
	}}
	o := Execute(t.Context(), c, Env{}, time.Hour)
	close(release)
	<-returned
	if o.Result != Errored || !strings.Contains(o.Reason, "did not return") {
		t.Errorf("%+v", o)
	}
}

func TestIDsAndCleanups(t *testing.T) {
	var ids, order []string
	o := exec(t, func(_ context.Context, t *T) {
		ids = append(ids, t.ID("cart"), t.ID("cart"))
		t.Cleanup(func() { order = append(order, "first registered") })
		t.Cleanup(func() { order = append(order, "last registered"); panic("in a clean-up") })
		t.Notef("a %s", "note")
	})
	if ids[0] == ids[1] || !strings.HasPrefix(ids[0], "cart-n-") {
		t.Errorf("ids %v", ids)
	}
	if strings.Join(order, ", ") != "last registered, first registered" {
		t.Errorf("clean-ups ran as %v", order)
	}
	if !o.Panicked || len(o.Notes) != 1 {
		t.Errorf("%+v", o)
	}
}

// What clean-ups put on the wire would push what led to a failure out of sight.
func TestTraceEndsWithTheCase(t *testing.T) {
	o := exec(t, func(_ context.Context, t *T) {
		t.Trace().Record(trace.Message{Kind: trace.Data})
		t.Cleanup(func() { t.Trace().Record(trace.Message{Kind: trace.Cancel}) })
		t.Fail(Failure{})
	})
	if len(o.Trace) != 1 || o.Trace[0].Kind != trace.Data {
		t.Errorf("%v", o.Trace)
	}
}

func TestCheckCases(t *testing.T) {
	good := Case{ID: "es/proxy/a-1", Title: "t", Requirements: []string{"ES-01"}, Kind: Proxy, Run: func(context.Context, *T) {}}
	if err := Check([]Case{good}); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Case){
		"the id must be":        func(c *Case) { c.ID = "ES/One" },
		"in at least two parts": func(c *Case) { c.ID = "es" },
		"has no title":          func(c *Case) { c.Title = "" },
		"proves no requirement": func(c *Case) { c.Requirements = nil },
		"the unknown kind":      func(c *Case) { c.Kind = "both" },
		"nothing to run":        func(c *Case) { c.Run = nil },
		"negative time limit":   func(c *Case) { c.Timeout = -1 },
	} {
		bad := good
		change(&bad)
		if err := Check([]Case{bad}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := Check([]Case{good, good}); err == nil || !strings.Contains(err.Error(), "used twice") {
		t.Errorf("%v", err)
	}
}

// The client carries messages, bytes, metadata and statuses, and records all of it.
func TestClient(t *testing.T) {
	config := ModelFunction()
	config.ReportError = func(context.Context, string) error { return status.Error(codes.Aborted, "busy") }
	function := mockfunction.New(config)
	if err := function.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer function.Kill()
	recorder := trace.NewRecorder(0)
	client, err := NewClient(function.Addr(), recorder, trace.Proxy, trace.Frontend)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var answer cloudstate.EntitySpec
	if _, err := client.Unary(ctx, cloudstate.EntityDiscovery_Discover_FullMethodName, &cloudstate.ProxyInfo{}, &answer, metadata.Pairs("x-a", "b")); err != nil {
		t.Fatal(err)
	}
	if len(answer.GetEntities()) == 0 {
		t.Error("no entities")
	}
	_, err = client.Unary(ctx, cloudstate.EntityDiscovery_ReportError_FullMethodName, &cloudstate.UserFunctionError{Message: "m"}, &cloudstate.UserFunctionError{}, nil)
	if status.Code(err) != codes.Aborted || status.Convert(err).Message() != "busy" {
		t.Errorf("status %v", err)
	}
	if _, _, err := client.UnaryBytes(ctx, cloudstate.EntityDiscovery_Discover_FullMethodName, []byte{0xff}, nil); status.Code(err) != codes.InvalidArgument {
		t.Errorf("garbage: %v", err)
	}
	text := recorder.String()
	for _, want := range []string{"x-a", "proxy -> frontend", "frontend -> proxy", "busy", "half-close", "ff"} {
		if !strings.Contains(text, want) {
			t.Errorf("the record lacks %q:\n%s", want, text)
		}
	}
}
