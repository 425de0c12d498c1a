package mockfunction_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// recorded returns a conversation of a mock proxy with the model: discovery, and an instance with one command that is passivated.
func recorded(t *testing.T) *tracefile.Trace {
	t.Helper()
	f := serve(t, mockfunction.Config{EventSourced: model.EventSourced{}.New})
	recorder := trace.NewRecorder(0)
	p := dial(t, f).With(mockproxy.WithRecorder(recorder))
	_, err := p.Discover(t.Context(), mockproxy.Info(0, 2))
	ok(t, err)
	s, err := p.EventSourced(t.Context())
	ok(t, err, s.Init(model.EventSourcedService, "one"))
	ok(t, s.Command(1, "Process", &esmodel.Request{Id: "one"}))
	_, err = s.Recv(t.Context())
	ok(t, err, s.Passivate(t.Context()))
	text, err := tracefile.Format(tracefile.Header{Began: time.Now()}, recorder.Messages())
	ok(t, err)
	file, err := tracefile.Read(strings.NewReader(text), "recorded", tracefile.Limits{})
	ok(t, err)
	return file
}

// against replays the function's side of file against what the proxy does, and returns the differences. The proxy has done all it does before the
// replay waits for what is missing: how long that takes is no difference.
func against(t *testing.T, replay mockfunction.Replay, proxy func(p *mockproxy.Proxy)) []error {
	t.Helper()
	replay.Listen = "127.0.0.1:0"
	replay.Ready = func(address string) {
		p, err := mockproxy.Dial(address)
		if err != nil {
			t.Error(err)
			return
		}
		defer p.Close()
		proxy(p)
	}
	differences, err := replay.Run(t.Context())
	ok(t, err)
	return differences
}

// TestBothSidesOfATraceFitTogether replays a trace's two sides against each other.
func TestBothSidesOfATraceFitTogether(t *testing.T) {
	file := recorded(t)
	differences := against(t, mockfunction.Replay{Trace: file}, func(p *mockproxy.Proxy) {
		differences, err := p.Replay(t.Context(), file, match.Rules{})
		if err != nil || len(differences) > 0 {
			t.Errorf("the proxy's side: %v, %v", differences, err)
		}
	})
	if len(differences) > 0 {
		t.Errorf("the function's side: %v", differences)
	}
}

// instance does what the recorded proxy did, with another entity id, another command id and another request. It returns nil once the function has
// ended the call, which it may do before all is sent.
func instance(t *testing.T, p *mockproxy.Proxy, entity string, command int64, request proto.Message) *eventsourced.EventSourcedStreamOut {
	t.Helper()
	if _, err := p.Discover(t.Context(), mockproxy.Info(0, 2)); err != nil {
		t.Error(err)
	}
	s, err := p.EventSourced(t.Context())
	if err != nil {
		t.Error(err)
		return nil
	}
	if err := s.Init(model.EventSourcedService, entity); err != nil {
		return nil
	}
	if err := s.Command(command, "Process", request); err != nil {
		return nil
	}
	out, err := s.Recv(t.Context())
	if err != nil {
		return nil
	}
	_ = s.CloseSend() // the last call of an instance may end as it likes
	return out
}

func TestTheReplyIsForTheCommandThatCame(t *testing.T) {
	var out *eventsourced.EventSourcedStreamOut
	rules := match.Rules{Entities: map[string]string{"one": "other"}}
	differences := against(t, mockfunction.Replay{Trace: recorded(t), Rules: rules}, func(p *mockproxy.Proxy) {
		out = instance(t, p, "other", 42, &esmodel.Request{Id: "other"})
	})
	if len(differences) > 0 || out.GetReply().GetCommandId() != 42 {
		t.Errorf("reply %v, differences %v", out, differences)
	}
}

func TestWhatTheProxyDoesOtherwiseIsTold(t *testing.T) {
	file := recorded(t)
	for _, c := range []struct {
		name  string
		proxy func(p *mockproxy.Proxy)
		wait  time.Duration // for what never comes; 0 where all comes
		want  []string
	}{
		{"another request", func(p *mockproxy.Proxy) { instance(t, p, "one", 1, &esmodel.Request{Id: "x"}) }, 0, []string{`+       "id": "x"`}},
		{"another instance", func(p *mockproxy.Proxy) { instance(t, p, "x", 1, &esmodel.Request{Id: "x"}) }, 300 * time.Millisecond, []string{"expected no further call of that kind, got {", "one, message 6: expected the open"}},
		{"nothing", func(p *mockproxy.Proxy) {}, 300 * time.Millisecond, []string{"EntityDiscovery/discover, message 1: expected the open, got nothing within 300ms", "EventSourcedTckModel one, message 6: expected the open"}},
		{"an error report", func(p *mockproxy.Proxy) {
			_ = p.ReportError(t.Context(), "you are wrong")
			instance(t, p, "one", 1, &esmodel.Request{Id: "one"})
		}, 0, []string{"EntityDiscovery/reportError: expected no further call"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			differences := against(t, mockfunction.Replay{Trace: file, Wait: c.wait}, c.proxy)
			var b strings.Builder
			match.Report(&b, differences)
			for _, want := range c.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("lacks %s:\n%s", want, &b)
				}
			}
			if len(differences) != len(c.want) {
				t.Errorf("%d differences, want %d:\n%s", len(differences), len(c.want), &b)
			}
		})
	}
}

func TestWhatCannotBeReplayedIsRefused(t *testing.T) {
	file := recorded(t)
	without := &tracefile.Trace{Types: file.Types}
	for _, m := range file.Messages {
		if m.Method != cloudstate.EntityDiscovery_Discover_FullMethodName {
			without.Messages = append(without.Messages, m)
		}
	}
	if _, err := (mockfunction.Replay{Trace: without, Listen: "127.0.0.1:0"}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no discovery answer") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (mockfunction.Replay{Trace: file, Listen: "127.0.0.1:0", Proxy: "127.0.0.1:1"}).Run(ctx); err == nil {
		t.Error("it went on after its context's end")
	}
}
