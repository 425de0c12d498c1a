package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// scripted is a user function and a sink that write down what happens to them, with the time since the start.
type scripted struct {
	start   time.Time
	answers []any // *cloudstate.EntitySpec, error, or a func of the call's context; the last one stays
	lost    chan struct{}
	events  []string
	reports []string
	served  []*Function
	info    *cloudstate.ProxyInfo
	// report is what ReportError does, nil for success.
	report func(context.Context) error
	// lostBefore makes a loss from before Run wait to be taken.
	lostBefore bool
}

func (s *scripted) note(format string, args ...any) {
	s.events = append(s.events, fmt.Sprintf("%v ", time.Since(s.start))+fmt.Sprintf(format, args...))
}

func (s *scripted) Discover(ctx context.Context, info *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
	s.note("discover")
	s.info = info
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	switch a := answer.(type) {
	case *cloudstate.EntitySpec:
		return a, nil
	case func(context.Context) error:
		return nil, a(ctx)
	default:
		return nil, a.(error)
	}
}

func (s *scripted) ReportError(ctx context.Context, message string) error {
	s.note("report")
	s.reports = append(s.reports, message)
	if s.report != nil {
		return s.report(ctx)
	}
	return nil
}

func (s *scripted) Disconnected() <-chan struct{} { return s.lost }

func (s *scripted) Serve(f *Function) {
	s.note("serve")
	s.served = append(s.served, f)
}

func (s *scripted) Suspend() { s.note("suspend") }

// handshakeOf runs the script for a time of its own clock and returns what happened and what was logged.
func handshakeOf(t *testing.T, cfg Config, s *scripted, script func()) string {
	t.Helper()
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		if cfg.Random == nil {
			cfg.Random = func() float64 { return 0.5 } // no spread
		}
		cfg.Served = Kinds()
		s.start = time.Now()
		s.lost = make(chan struct{}, 1)
		if s.lostBefore {
			s.lost <- struct{}{}
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			Run(ctx, s, cfg, s)
		}()
		synctest.Wait()
		script()
		synctest.Wait()
		cancel()
		<-done
	})
	return log.String()
}

// pass lets d of the bubble's virtual time go by.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // waits for nothing: in a synctest bubble this is how the clock is moved
}

func (s *scripted) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(s.events, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(s.events, "\n"), strings.Join(want, "\n"))
	}
}

// One answer that can be served is asked for once, however long the proxy runs (DISC-25).
func TestDiscoverOnce(t *testing.T) {
	s := &scripted{answers: []any{answer(t, "keys-of-every-type")}}
	log := handshakeOf(t, Config{ProxyVersion: "1.2.3"}, s, func() { pass(24 * time.Hour) })
	s.want(t, "0s discover", "0s serve")
	if s.info.GetProtocolMajorVersion() != 0 || s.info.GetProtocolMinorVersion() != 2 || s.info.GetProxyName() == "" || s.info.GetProxyVersion() != "1.2.3" ||
		!slices.Equal(s.info.GetSupportedEntityTypes(), []string{"cloudstate.eventsourced.EventSourced", "cloudstate.valueentity.ValueEntity", "cloudstate.action.ActionProtocol", "cloudstate.crdt.Crdt"}) {
		t.Errorf("proxy info %v", s.info)
	}
	for _, want := range []string{"library=fixtures/descriptors", "protocol=0.2", "service=fixture.keys.Keys"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
}

// An unreachable user function is tried again soon, then at growing intervals, for ever, without a line of log for each.
func TestUnreachable(t *testing.T) {
	gone := status.Error(codes.Unavailable, "connection refused")
	s := &scripted{answers: []any{gone}}
	log := handshakeOf(t, Config{}, s, func() { pass(40 * time.Second) })
	s.want(t, "0s discover", "50ms discover", "150ms discover", "350ms discover", "750ms discover", "1.55s discover", "3.15s discover",
		"6.35s discover", "12.75s discover", "22.75s discover", "32.75s discover")
	if strings.Count(log, "\n") != 1 || !strings.Contains(log, "user-function-port") || !strings.Contains(log, "connection refused") {
		t.Errorf("log: %s", log)
	}
}

// A long absence is told again after 1, 2, 4 and 8 minutes, and then every 10.
func TestUnreachableForLong(t *testing.T) {
	s := &scripted{answers: []any{status.Error(codes.Unavailable, "connection refused")}}
	log := handshakeOf(t, Config{}, s, func() { pass(time.Hour) })
	if lines := strings.Count(log, "\n"); lines != 9 {
		t.Errorf("%d lines, want 9:\n%s", lines, log)
	}
}

// A call that is not answered ends after its time-out, and another one begins at once.
func TestDiscoverNeverAnswered(t *testing.T) {
	s := &scripted{answers: []any{func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, answer(t, "keys-of-every-type")}}
	handshakeOf(t, Config{DiscoverTimeout: 3 * time.Second}, s, func() { pass(time.Minute) })
	s.want(t, "0s discover", "3.05s discover", "3.05s serve")
}

// A refused answer is reported once and asked for again with growing pauses; another refused answer is reported again (DISC-21, DISC-60).
func TestRefused(t *testing.T) {
	bad, other, good := answer(t, "refused-no-key-es"), answer(t, "refused-no-entities"), answer(t, "keys-of-every-type")
	s := &scripted{answers: []any{bad, bad, bad, other, bad, good}}
	log := handshakeOf(t, Config{}, s, func() { pass(time.Minute) })
	s.want(t, "0s discover", "0s report", "1s discover", "3s discover", "7s discover", "7s report", "15s discover", "15s report", "25s discover", "25s serve")
	for i, want := range []string{"is marked as entity key", "No entities were reported by the discover call!", "is marked as entity key"} {
		if !strings.Contains(s.reports[i], want) {
			t.Errorf("report %d: %q", i, s.reports[i])
		}
	}
	if strings.Count(log, "level=ERROR") != 3 || !strings.Contains(log, "cloudstate.entity_key") {
		t.Errorf("log: %s", log)
	}
}

// A user function that answers discover with an error of its own is told so.
func TestDiscoverFails(t *testing.T) {
	s := &scripted{answers: []any{status.Error(codes.Unimplemented, "no such method"), answer(t, "keys-of-every-type")}}
	handshakeOf(t, Config{}, s, func() { pass(time.Minute) })
	s.want(t, "0s discover", "0s report", "1s discover", "1s serve")
	if !strings.Contains(s.reports[0], "no such method") {
		t.Errorf("report %q", s.reports[0])
	}
}

// reportError may fail, or never be answered: nothing depends on it (DISC-58), and tries stay less than 15 s apart (DISC-50).
func TestReportFails(t *testing.T) {
	for name, report := range map[string]func(context.Context) error{
		"fails":          func(context.Context) error { return errors.New("not implemented") },
		"never answered": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{report: report, answers: []any{answer(t, "refused-no-key-es"), answer(t, "keys-of-every-type")}}
			log := handshakeOf(t, Config{ReportTimeout: 700 * time.Millisecond}, s, func() { pass(time.Minute) })
			s.want(t, "0s discover", "0s report", "1s discover", "1s serve")
			if !strings.Contains(log, "did not take the report") {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// After the last connection was lost nothing is served until the user function was asked again. The same answer is the same
// Function; a changed one is served; one that cannot be served leaves the proxy suspended (DISC-46 to DISC-49).
func TestAskedAgainAfterALoss(t *testing.T) {
	good := answer(t, "keys-of-every-type")
	changed := answer(t, "keys-of-every-type")
	changed.Entities[0].PersistenceId = "other"
	s := &scripted{answers: []any{good, good, changed, answer(t, "refused-no-key-es"), changed}}
	handshakeOf(t, Config{}, s, func() {
		for range 3 {
			pass(10 * time.Second)
			s.lost <- struct{}{}
		}
		pass(time.Minute)
	})
	s.want(t, "0s discover", "0s serve",
		"10s suspend", "10s discover", "10s serve",
		"20s suspend", "20s discover", "20s serve",
		"30s suspend", "30s discover", "30s report", "31s discover", "31s serve")
	if s.served[0] != s.served[1] || s.served[2] == s.served[1] || s.served[3] != s.served[2] {
		t.Error("the same answer must give the same Function, another one another")
	}
	if s.served[2].Services[0].PersistenceID != "other" {
		t.Error("the change is not served")
	}
}

// A user function that was replaced while the proxy waits is asked soon, and told what is wrong even if its predecessor was told the same.
func TestReplacedWhileRefused(t *testing.T) {
	bad := answer(t, "refused-no-key-es")
	s := &scripted{answers: []any{bad, bad, bad, bad, bad, answer(t, "keys-of-every-type")}}
	handshakeOf(t, Config{}, s, func() {
		pass(8 * time.Second)
		s.lost <- struct{}{}
		pass(time.Minute)
	})
	s.want(t, "0s discover", "0s report", "1s discover", "3s discover", "7s discover",
		"8.05s discover", "8.05s report", "9.05s discover", "9.05s serve")
}

// A loss from before the answer is no reason to ask again.
func TestAnOldLossIsForgotten(t *testing.T) {
	s := &scripted{}
	s.answers = []any{
		func(context.Context) error {
			s.lost <- struct{}{}
			return status.Error(codes.Unavailable, "lost in the middle")
		},
		answer(t, "keys-of-every-type"),
	}
	handshakeOf(t, Config{}, s, func() { pass(time.Hour) })
	s.want(t, "0s discover", "50ms discover", "50ms serve")
}

func TestALossFromBeforeTheStartIsForgotten(t *testing.T) {
	s := &scripted{lostBefore: true, answers: []any{answer(t, "keys-of-every-type")}}
	handshakeOf(t, Config{}, s, func() { pass(time.Hour) })
	s.want(t, "0s discover", "0s serve")
}

// A success ends the growth of the pauses.
func TestPausesBeginAnewAfterASuccess(t *testing.T) {
	bad, good := answer(t, "refused-no-key-es"), answer(t, "keys-of-every-type")
	s := &scripted{answers: []any{bad, bad, good, bad, good}}
	handshakeOf(t, Config{}, s, func() {
		pass(10 * time.Second)
		s.lost <- struct{}{}
		pass(time.Minute)
	})
	s.want(t, "0s discover", "0s report", "1s discover", "3s discover", "3s serve",
		"10s suspend", "10s discover", "10s report", "11s discover", "11s serve")
}

func TestRunEndsWithItsContext(t *testing.T) {
	for name, a := range map[string]any{
		"asking":   func(ctx context.Context) error { <-ctx.Done(); return status.FromContextError(ctx.Err()).Err() },
		"waiting":  answer(t, "refused-no-key-es"),
		"serving":  answer(t, "keys-of-every-type"),
		"no reply": status.Error(codes.Unavailable, "gone"),
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{answers: []any{a}}
			handshakeOf(t, Config{DiscoverTimeout: time.Hour, BackoffMin: time.Hour, BackoffMax: time.Hour}, s, func() {})
			if len(s.events) == 0 || strings.Contains(strings.Join(s.events[1:], " "), "discover") {
				t.Errorf("events %v", s.events)
			}
		})
	}
}

// Warnings reach the operator once for each changed answer.
func TestWarningsAreLogged(t *testing.T) {
	spec := answer(t, "keys-of-every-type")
	spec.ServiceInfo = nil
	s := &scripted{answers: []any{spec}}
	log := handshakeOf(t, Config{}, s, func() { s.lost <- struct{}{}; pass(time.Minute) })
	if strings.Count(log, "names no protocol version") != 1 {
		t.Errorf("log: %s", log)
	}
}

// The spread of a pause stays within its bounds, and its mean grows to the maximum.
func TestBackoffSpread(t *testing.T) {
	for _, tc := range []struct {
		random float64
		want   []time.Duration
	}{
		{0, []time.Duration{800 * time.Millisecond, 1600 * time.Millisecond, 3200 * time.Millisecond, 6400 * time.Millisecond, 8 * time.Second, 8 * time.Second}},
		{0.5, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second}},
		{1, []time.Duration{1200 * time.Millisecond, 2400 * time.Millisecond, 4800 * time.Millisecond, 9600 * time.Millisecond, 12 * time.Second, 12 * time.Second}},
	} {
		b := backoff{max: 10 * time.Second, factor: 0.2, random: func() float64 { return tc.random }}
		for i, want := range tc.want {
			if got := b.next(time.Second); (got - want).Abs() > time.Microsecond {
				t.Errorf("random %v, pause %d: %v, want %v", tc.random, i+1, got, want)
			}
		}
	}
}
