package suite

import (
	"context"
	"time"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

// Env is what the engine hands to the execution of one case.
type Env struct {
	// Target names the combination for the report, such as "builtin:reference, store embedded".
	Target string
	// Nonce is unique to this execution of this case among all runs against the same store; it becomes part of every entity id.
	Nonce string
	// Trace records the case's conversation. The mocks and the interceptor record into the same one. Never nil.
	Trace *trace.Recorder
	// Frontend is set for frontend and pair cases.
	Frontend *FrontendTarget
	// Proxy is set for proxy and pair cases.
	Proxy *ProxyTarget
	// Store is set when the kit can take the proxies' store away.
	Store StoreTarget
	// Function is set for proxy cases without OwnTarget: the mock user function that the shared proxy faces.
	Function *mockfunction.Function
	// Patience bounds each expectation of a mock that the case serves and sets no bound of its own for.
	Patience time.Duration
	// FunctionAddress is where the proxy looks for its user function (host:port); set for proxy cases.
	FunctionAddress string
	// Intercepted is set for pair cases.
	Intercepted Conversation
	// Environment is set for pair cases.
	Environment Environment
}

// Conversation is what the interceptor saw pass between proxy and user function since the case began.
type Conversation interface {
	// Messages returns the recorded messages, oldest first.
	Messages() []trace.Message
	// Await returns nil as soon as accept is true of the messages so far. accept is called again after each new message. When
	// ctx ends first, the error is a *trace.Mismatch that says what was awaited.
	Await(ctx context.Context, what string, accept func([]trace.Message) bool) error
}
