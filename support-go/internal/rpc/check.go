package rpc

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// Handler is what a registered handler says about itself.
type Handler struct {
	Method        string                // full method name, /package.Service/Method
	Input, Output protoreflect.FullName // message types that the Go function takes and gives
	Constructor   string                // how it was made, "eventsourced.Command": for error texts
	StreamsIn     bool                  // takes a stream of messages
	StreamsOut    bool                  // gives a stream of messages
}

// Check holds handlers against their service: each rpc has exactly one, of the right shape and types. All errors found
// are returned, joined. remedy names the constructor that makes a handler for an rpc of that shape.
func Check(service protoreflect.ServiceDescriptor, handlers []Handler, remedy func(in, out bool) string) error {
	var errs []error
	seen := make(map[protoreflect.Name]bool)
	for _, handler := range handlers {
		name, err := checkHandler(service, handler)
		if err == nil && seen[name] {
			err = fmt.Errorf("%w: rpc %s has two handlers: remove one", ErrHandler, name)
		}
		seen[name] = true
		errs = append(errs, err)
	}
	methods := service.Methods()
	for i := range methods.Len() {
		method := methods.Get(i)
		if !seen[method.Name()] {
			errs = append(errs, fmt.Errorf("%w: rpc %s has no handler: add %s(%q, ...) taking *%s and giving *%s",
				ErrHandler, method.Name(), remedy(method.IsStreamingClient(), method.IsStreamingServer()),
				fmt.Sprintf("/%s/%s", service.FullName(), method.Name()),
				method.Input().FullName(), method.Output().FullName()))
		}
	}
	return errors.Join(errs...)
}

func checkHandler(service protoreflect.ServiceDescriptor, handler Handler) (protoreflect.Name, error) {
	of, name, err := Split(handler.Method)
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrHandler, handler.Constructor, err)
	}
	if of != string(service.FullName()) {
		return "", fmt.Errorf("%w: %s for %s belongs to another service", ErrHandler, handler.Constructor, handler.Method)
	}
	method := service.Methods().ByName(protoreflect.Name(name))
	if method == nil {
		return "", fmt.Errorf("%w: %s for %s: there is no such rpc", ErrHandler, handler.Constructor, handler.Method)
	}
	switch {
	case method.IsStreamingClient() != handler.StreamsIn || method.IsStreamingServer() != handler.StreamsOut:
		err = fmt.Errorf("%w: rpc %s is %s, %s is for one that is %s", ErrHandler, name,
			shape(method.IsStreamingClient(), method.IsStreamingServer()),
			handler.Constructor, shape(handler.StreamsIn, handler.StreamsOut))
	case method.Input().FullName() != handler.Input:
		err = fmt.Errorf("%w: rpc %s takes %s, its handler takes %q",
			ErrHandler, name, method.Input().FullName(), handler.Input)
	case method.Output().FullName() != handler.Output:
		err = fmt.Errorf("%w: rpc %s gives %s, its handler gives %q",
			ErrHandler, name, method.Output().FullName(), handler.Output)
	}
	return method.Name(), err
}

func shape(in, out bool) string {
	switch {
	case in && out:
		return "streamed in and out"
	case in:
		return "streamed in"
	case out:
		return "streamed out"
	default:
		return "unary"
	}
}

// CheckEntity holds a service against the rules for stateful entities: a persistence id (SPEC DISC-28), no streamed
// rpc (ES-01, VE-01), an entity key in every input (ES-02, VE-02), and a passivation time-out that is unset or at least
// a millisecond (DISC-29).
func CheckEntity(service protoreflect.ServiceDescriptor, persistenceID string, passivation time.Duration) error {
	var errs []error
	if persistenceID == "" {
		errs = append(errs, fmt.Errorf("%w: the persistence id is empty: set Config.PersistenceID, "+
			"under which the store keeps the entities, and never change it", ErrService))
	}
	if passivation != 0 && passivation < time.Millisecond {
		errs = append(errs, fmt.Errorf("%w: passivation time-out %v: use at least 1ms, or 0 for the proxy's default",
			ErrService, passivation))
	}
	methods := service.Methods()
	for i := range methods.Len() {
		method := methods.Get(i)
		if method.IsStreamingClient() || method.IsStreamingServer() {
			errs = append(errs, fmt.Errorf("%w: rpc %s is streamed: a stateful entity serves unary rpcs only, "+
				"move it to an action", ErrService, method.Name()))
		}
		if len(KeyFields(method.Input())) == 0 {
			errs = append(errs, fmt.Errorf("%w: rpc %s: no field of %s is marked [(cloudstate.entity_key) = true]",
				ErrService, method.Name(), method.Input().FullName()))
		}
	}
	return errors.Join(errs...)
}

// Passivation is the declaration of a passivation time-out, nil for the proxy's default (SPEC DISC-29). It is told in
// whole milliseconds, rounded up.
func Passivation(timeout time.Duration) *protocol.EntityPassivationStrategy {
	if timeout == 0 {
		return nil
	}
	milliseconds := int64((timeout + time.Millisecond - 1) / time.Millisecond)
	return &protocol.EntityPassivationStrategy{Strategy: &protocol.EntityPassivationStrategy_Timeout{
		Timeout: &protocol.TimeoutPassivationStrategy{Timeout: milliseconds},
	}}
}
