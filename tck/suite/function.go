package suite

import (
	"fmt"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
)

// ModelFunction returns the configuration of a mock user function that serves the TCK's model services as they should be served:
// what the shared proxy faces, and a start for the configuration of a case's own function.
func ModelFunction() mockfunction.Config {
	return mockfunction.Config{
		Spec:         model.Spec(),
		EventSourced: model.EventSourced{}.New,
		ValueEntity:  model.ValueEntity,
		Action:       model.Action,
	}
}

// Function returns the mock user function that the shared proxy faces. It serves the TCK's model services by itself; a case
// scripts single instances by claiming their ids before it calls them. Leave it serving, with its spec unchanged: a case
// that must do otherwise sets OwnTarget and calls [T.Serve]. It is a kit fault to ask when there is none.
func (t *T) Function() *mockfunction.Function {
	if t.env.Function == nil {
		t.KitFault(fmt.Errorf("case %s has no shared mock function: a proxy case with OwnTarget serves its own with Serve, other kinds have none", t.c.ID))
	}
	return t.env.Function
}

// FunctionAddress returns where the proxy looks for its user function (host:port).
func (t *T) FunctionAddress() string { return t.env.FunctionAddress }

// Serve starts a mock user function of the case's own where the case's own proxy looks for it, recording into the case's trace;
// it ends after the case. Only for proxy cases with OwnTarget. Serve before the proxy is started, or there will be nobody to discover.
func (t *T) Serve(config mockfunction.Config) *mockfunction.Function {
	if !t.c.OwnTarget || t.env.FunctionAddress == "" {
		t.KitFault(fmt.Errorf("case %s cannot serve a function of its own: only proxy cases with OwnTarget can", t.c.ID))
	}
	config.Recorder = t.env.Trace
	if config.Wait == 0 {
		config.Wait = t.env.Patience
	}
	function := mockfunction.New(config)
	if err := function.Start(t.env.FunctionAddress); err != nil {
		t.KitFault(fmt.Errorf("serving the case's mock function: %w", err))
	}
	t.Cleanup(function.Kill)
	return function
}
