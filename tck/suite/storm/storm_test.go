package storm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/oracle"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a proxy with its user function in one, correct but for its fault.
type server struct {
	esmodel.UnimplementedEventSourcedTckModelServer
	fault string

	mu     sync.Mutex
	states map[string]string
	keys   map[string]string // what each key was answered with
	calls  int
}

func (s *server) carryOut(ctx context.Context, id string, log bool, writes []string, doomed bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	var key string
	if md, _ := metadata.FromIncomingContext(ctx); len(md.Get("idempotency-key")) == 1 {
		key = md.Get("idempotency-key")[0]
	}
	if answer, ok := s.keys[key]; ok && key != "" && s.fault != "forgets keys" {
		return answer, nil
	}
	before, after := s.states[id], s.states[id]
	for _, text := range writes {
		if log {
			after += text
		} else {
			after = text
		}
	}
	late := s.calls%50 == 0 && len(writes) > 0 // the answer does not reach the client
	wrong := s.calls > 300 && s.calls < 340 && len(writes) > 0 && !late
	switch {
	case doomed && s.fault == "keeps what failed":
		s.states[id] = after
		return "", status.Error(codes.Unknown, doom)
	case doomed && s.fault == "answers what failed":
		return before, nil
	case doomed:
		return "", status.Error(codes.Unknown, doom)
	case wrong && s.fault == "loses":
	case wrong && s.fault == "refuses what it carried out":
		s.states[id] = after
		return "", status.Error(codes.Unavailable, "it was not carried out")
	default:
		s.states[id] = after
	}
	if key != "" {
		s.keys[key] = after
	}
	if late {
		return "", status.Error(codes.Unavailable, "it may have been carried out")
	}
	return after, nil
}

func (s *server) Process(ctx context.Context, r *esmodel.Request) (*esmodel.Response, error) {
	var writes []string
	doomed := false
	for _, a := range r.GetActions() {
		if a.GetEmit() != nil {
			writes = append(writes, a.GetEmit().GetValue())
		}
		doomed = doomed || a.GetFail() != nil
	}
	text, err := s.carryOut(ctx, r.GetId(), true, writes, doomed)
	return &esmodel.Response{Message: text}, err
}

// values is the same for value entities.
type values struct {
	vemodel.UnimplementedValueEntityTckModelServer
	*server
}

func (v values) Process(ctx context.Context, r *vemodel.Request) (*vemodel.Response, error) {
	var writes []string
	doomed := false
	for _, a := range r.GetActions() {
		if a.GetUpdate() != nil || a.GetDelete() != nil {
			writes = append(writes, a.GetUpdate().GetValue())
		}
		doomed = doomed || a.GetFail() != nil
	}
	text, err := v.carryOut(ctx, r.GetId(), false, writes, doomed)
	return &vemodel.Response{Message: text}, err
}

// calm is an environment with a certain amount of work in it.
type calm struct {
	work int64
	err  error
}

func (calm) Name() string { return "calm" }
func (c calm) Disturb(ctx context.Context, work suite.Work) (string, error) {
	if err := work.Await(ctx, c.work); err != nil {
		return "", err
	}
	return "calm", c.err
}

// showing is calm but for what the user function is shown, which a recorder has seen.
type showing struct {
	calm
	recorder *trace.Recorder
	messages []trace.Message
}

func (s showing) Disturb(ctx context.Context, work suite.Work) (string, error) {
	for _, m := range s.messages {
		s.recorder.Record(m)
	}
	return s.calm.Disturb(ctx, work)
}

// storms executes a case against a server with a fault.
func storms(t *testing.T, id, fault string, recorder *trace.Recorder, environment suite.Environment) suite.Outcome {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{fault: fault, states: map[string]string{}, keys: map[string]string{}}
	g := grpc.NewServer()
	esmodel.RegisterEventSourcedTckModelServer(g, s)
	vemodel.RegisterValueEntityTckModelServer(g, values{server: s})
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.Serve(listener) }) // ends with Stop
	defer wg.Wait()
	defer g.Stop()
	for _, c := range Cases() {
		if c.ID == id {
			return suite.Execute(t.Context(), c, suite.Env{
				Nonce: "n", Trace: recorder, Proxy: &suite.ProxyTarget{Address: listener.Addr().String()}, Environment: environment,
			}, time.Minute)
		}
	}
	t.Fatalf("there is no case %s", id)
	return suite.Outcome{}
}

func TestCases(t *testing.T) {
	if err := suite.Check(Cases()); err != nil {
		t.Fatal(err)
	}
	for _, c := range Cases() {
		if c.Kind != suite.Pair || !c.Outcomes || c.Timeout == 0 {
			t.Errorf("%s: %+v", c.ID, c)
		}
	}
}

// TestStorms: each case passes a correct proxy, and names what a wrong one breaks.
func TestStorms(t *testing.T) {
	for _, c := range []struct{ id, fault, requirement, says string }{
		{"es/pair/storm", "", "", ""},
		{"ve/pair/storm", "", "", ""},
		{"idem/pair/storm", "", "", ""},
		{"es/pair/storm", "loses", "ES-20", "lost"},
		{"ve/pair/storm", "loses", "VE-13", "reordered"},
		{"es/pair/storm", "keeps what failed", "ES-36", "resurrected"},
		{"ve/pair/storm", "keeps what failed", "VE-20", "resurrected"},
		{"es/pair/storm", "answers what failed", "ES-20", "answered as if it had not failed"},
		{"es/pair/storm", "refuses what it carried out", "ES-36", "resurrected"},
		{"idem/pair/storm", "forgets keys", "IDEM-07", "duplicate"},
		{"idem/pair/storm", "loses", "IDEM-07", ""},
	} {
		t.Run(c.id+" "+c.fault, func(t *testing.T) {
			o := storms(t, c.id, c.fault, trace.NewRecorder(0), calm{work: 600})
			switch {
			case c.fault == "" && o.Result != suite.Passed:
				t.Errorf("%s: %s, %v", o.Result, o.Reason, o.Failure)
			case c.fault != "" && (o.Result != suite.Failed || o.Failure.Requirement != c.requirement || !strings.Contains(o.Failure.Got, c.says)):
				t.Errorf("%s: %s, %v", o.Result, o.Reason, o.Failure)
			}
			if len(o.Notes) != 2 || !strings.Contains(o.Notes[0], "calm; ") || !strings.Contains(o.Notes[0], "acknowledged") || !strings.Contains(o.Notes[1], "violations") {
				t.Errorf("notes %q", o.Notes)
			}
			if c.fault == "" && strings.Contains(o.Notes[0], fmt.Sprintf(" on %d entities", places)) {
				t.Errorf("no entity was ever full: %q", o.Notes)
			}
		})
	}
}

// TestWhatTheUserFunctionIsShown counts, too: here a replay that leaves an event out.
func TestWhatTheUserFunctionIsShown(t *testing.T) {
	recorder := trace.NewRecorder(0)
	shown := func(in *eventsourced.EventSourcedStreamIn) trace.Message {
		return trace.Message{Kind: trace.Data, From: trace.Proxy, To: trace.Frontend, Stream: 1, Payload: in}
	}
	o := storms(t, "es/pair/storm", "", recorder, showing{calm{work: 100}, recorder, []trace.Message{
		shown(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Init{Init: &eventsourced.EventSourcedInit{EntityId: "es-1"}}}),
		shown(&eventsourced.EventSourcedStreamIn{Message: &eventsourced.EventSourcedStreamIn_Event{Event: &eventsourced.EventSourcedEvent{Sequence: 2}}}),
	}})
	if o.Result != suite.Failed || !strings.Contains(o.Failure.Got, "event 2 was replayed after 0") {
		t.Errorf("%s: %v", o.Result, o.Failure)
	}
}

// TestWhoseFaultAnEnvironmentsErrorIs: a Failure is the target's, anything else the kit's.
func TestWhoseFaultAnEnvironmentsErrorIs(t *testing.T) {
	broken := fmt.Errorf("disturbance 3 of 7: %w", &suite.Failure{Expected: "a proxy that starts", Got: "none"})
	if o := storms(t, "es/pair/storm", "", trace.NewRecorder(0), calm{100, broken}); o.Result != suite.Failed || o.Failure.Got != "none, disturbance 3 of 7" || o.Failure.Requirement != "ES-20" {
		t.Errorf("%s: %v", o.Result, o.Failure)
	}
	if o := storms(t, "es/pair/storm", "", trace.NewRecorder(0), calm{100, errors.New("no port")}); o.Result != suite.Errored || o.Reason != "no port" {
		t.Errorf("%s: %s", o.Result, o.Reason)
	}
}

func TestConclude(t *testing.T) {
	plain, doomed, keyed := command{}, command{doomed: true}, command{key: "k"}
	is := status.Error
	for _, c := range []struct {
		command command
		err     error
		want    oracle.Outcome
		odd     bool
	}{
		{plain, nil, oracle.Acknowledged, false},
		{plain, is(codes.Unavailable, "the command was not carried out, try again"), oracle.Refused, false},
		{plain, is(codes.Unavailable, "nothing was changed, try again"), oracle.Refused, false},
		{plain, is(codes.Unavailable, "connection error: desc = \"transport: Error while dialing: refused\""), oracle.Refused, false},
		{plain, is(codes.Unavailable, "the command may have been carried out"), oracle.Unknown, false},
		{plain, is(codes.DeadlineExceeded, "late"), oracle.Unknown, false},
		{plain, is(codes.AlreadyExists, "?"), oracle.Unknown, false},
		{doomed, is(codes.Unknown, doom), oracle.Refused, false},
		{doomed, is(codes.Unavailable, "EOF"), oracle.Refused, false},
		{doomed, nil, oracle.Refused, true},
		{keyed, is(codes.AlreadyExists, "its answer is forgotten"), oracle.Acknowledged, false},
		{keyed, is(codes.FailedPrecondition, "another command"), oracle.Unknown, true},
		{keyed, is(codes.Unavailable, "EOF"), oracle.Unknown, false},
	} {
		got, odd := conclude(c.command, c.err)
		if got != c.want || (odd != nil) != c.odd {
			t.Errorf("%+v, %v: %v, odd %v", c.command, c.err, got, odd)
		}
	}
}

// TestGivingUpACommandWithAKey: that its last try was refused says nothing of the first, of which nobody knows.
func TestGivingUpACommandWithAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &storm{clients: make([]*suite.Client, connections), began: time.Now(), statuses: map[string]int{}}
		tries := 0
		k := kind{call: func(ctx context.Context, _ *suite.Client, _ command) (string, error) {
			if tries++; tries == 1 {
				<-ctx.Done()
				return "", status.FromContextError(ctx.Err()).Err()
			}
			return "", status.Error(codes.Unavailable, "it was not carried out")
		}}
		if o := s.perform(t.Context(), 0, k, command{id: "e", key: "k", writes: []string{"1;"}}); o.Outcome != oracle.Unknown || o.Ended < keyPatience || tries < 3 {
			t.Errorf("%d tries: %+v", tries, o)
		}
	})
}

func TestWorkAwaitsWhatIsYetToCome(t *testing.T) {
	w := &work{}
	w.done()
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				w.done()
			}
		}
	})
	err := w.Await(ctx, 1000)
	close(stop)
	wg.Wait()
	if err != nil || w.count < 1001 {
		t.Errorf("%v after %d", err, w.count)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := w.Await(ended, 1<<40); !errors.Is(err, context.Canceled) || len(w.waiters) != 0 {
		t.Errorf("%v, %d wait", err, len(w.waiters))
	}
}
