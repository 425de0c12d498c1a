package suite

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

// T is one execution of one case: its targets, its unique ids, and the ways to end it. Methods that end the case must be called
// from the goroutine that runs [Case.Run]; all others are safe for concurrent use.
type T struct {
	c   Case
	env Env

	mu       sync.Mutex
	ids      int
	outcome  Outcome
	notes    []string
	trace    []trace.Message
	cleanups []func()
	client   *Client
}

// ID returns an entity id that no other case, execution or call shares; it begins with name.
func (t *T) ID(name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ids++
	return fmt.Sprintf("%s-%s-%d", name, t.env.Nonce, t.ids)
}

// Trace returns the recorder of this case. Give it to the mocks, so that a failure shows the conversation.
func (t *T) Trace() *trace.Recorder { return t.env.Trace }

// Frontend returns the user function under judgement. It is a kit fault to ask in a proxy case.
func (t *T) Frontend() *FrontendTarget {
	if t.env.Frontend == nil {
		t.KitFault(fmt.Errorf("case %s is of kind %q and has no frontend", t.c.ID, t.c.Kind))
	}
	return t.env.Frontend
}

// Proxy returns the proxy under judgement. It is a kit fault to ask in a frontend case.
func (t *T) Proxy() *ProxyTarget {
	if t.env.Proxy == nil {
		t.KitFault(fmt.Errorf("case %s is of kind %q and has no proxy", t.c.ID, t.c.Kind))
	}
	return t.env.Proxy
}

// Store returns the proxies' store. It is a kit fault to ask in a case that does not need [NeedStoreControl].
func (t *T) Store() StoreTarget {
	if t.env.Store == nil {
		t.KitFault(fmt.Errorf("case %s does not say that it takes the store away", t.c.ID))
	}
	return t.env.Store
}

// Intercept returns what passed between proxy and user function since the case began. It is a kit fault to ask outside pair cases.
func (t *T) Intercept() Conversation {
	if t.env.Intercepted == nil {
		t.KitFault(fmt.Errorf("case %s is of kind %q and has no interceptor", t.c.ID, t.c.Kind))
	}
	return t.env.Intercepted
}

// Environment returns what befalls the targets while the case works. It is a kit fault to ask outside pair cases.
func (t *T) Environment() Environment {
	if t.env.Environment == nil {
		t.KitFault(fmt.Errorf("case %s is of kind %q and has no environment", t.c.ID, t.c.Kind))
	}
	return t.env.Environment
}

// Cleanup runs f after the case, last registered first, however the case ended.
func (t *T) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// Notef adds a line to the case's entry in the report: what was observed beyond the verdict.
func (t *T) Notef(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// Fail ends the case: the target broke a requirement.
func (t *T) Fail(f Failure) {
	if f.Requirement == "" && len(t.c.Requirements) > 0 {
		f.Requirement = t.c.Requirements[0]
	}
	t.end(Outcome{Result: Failed, Failure: &f})
}

// Require fails the case with f unless ok.
func (t *T) Require(ok bool, f Failure) {
	if !ok {
		t.Fail(f)
	}
}

// Check fails the case unless err is nil. A *trace.Mismatch in err's chain supplies expectation and answer where f leaves them
// empty (its difference is added to the answer); any other error is the answer. A [KitError] in the chain ends the case as [T.KitFault] does.
func (t *T) Check(err error, f Failure) {
	if err == nil {
		return
	}
	if IsKitFault(err) {
		t.KitFault(err)
	}
	var mismatch *trace.Mismatch
	if errors.As(err, &mismatch) {
		if f.Expected == "" {
			f.Expected = mismatch.Expected
		}
		if f.Got == "" {
			f.Got = fmt.Sprintf("%s (%s)", mismatch.Got, mismatch.Where)
			if mismatch.Diff != "" {
				f.Got += "\n" + mismatch.Diff
			}
		}
	}
	if f.Expected == "" {
		f.Expected = "the exchange to go on without an error"
	}
	if f.Got == "" {
		f.Got = err.Error()
	}
	t.Fail(f)
}

// Equal fails the case unless got equals want field by field. f's expectation and answer are filled in where empty.
func (t *T) Equal(want, got proto.Message, f Failure) {
	if err := trace.Compare(t.c.ID, want, got); err != nil {
		var mismatch *trace.Mismatch
		if errors.As(err, &mismatch) {
			mismatch.Where = string(want.ProtoReflect().Descriptor().Name())
		}
		t.Check(err, f)
	}
}

// Status fails the case unless err is a gRPC status with this code and, when description is not empty, exactly this
// description. f's expectation and answer are filled in where empty.
func (t *T) Status(err error, code codes.Code, description string, f Failure) {
	if IsKitFault(err) {
		t.KitFault(err)
	}
	got, isStatus := status.FromError(err)
	if isStatus && got.Code() == code && (description == "" || got.Message() == description) {
		return
	}
	if f.Expected == "" {
		f.Expected = "status " + code.String()
		if description != "" {
			f.Expected += fmt.Sprintf(" with the description %q", description)
		}
	}
	if f.Got == "" {
		switch {
		case err == nil:
			f.Got = "status OK"
		case isStatus:
			f.Got = fmt.Sprintf("status %s with the description %q", got.Code(), got.Message())
		default:
			f.Got = err.Error()
		}
	}
	t.Fail(f)
}

// KitFault ends the case: the kit itself could not do its part, so the target is not judged.
func (t *T) KitFault(err error) {
	t.end(Outcome{Result: Errored, Reason: err.Error()})
}

// NotApplicable ends the case: the target legitimately lacks what the case observes, which only showed on the way.
// What is known beforehand belongs into [Case.Needs].
func (t *T) NotApplicable(reason string) {
	t.end(Outcome{Result: NotApplicable, Reason: reason})
}

// end keeps the first outcome and leaves the case's goroutine, running its deferred functions.
func (t *T) end(o Outcome) {
	t.mu.Lock()
	if t.outcome.Result == "" {
		t.outcome = o
	}
	t.mu.Unlock()
	runtime.Goexit()
}
