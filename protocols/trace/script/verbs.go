package script

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
)

// methods are the calls that a script opens, by their name in scripts.
var methods = map[string]string{
	"discover":            cloudstate.EntityDiscovery_Discover_FullMethodName,
	"report-error":        cloudstate.EntityDiscovery_ReportError_FullMethodName,
	"event-sourced":       eventsourced.EventSourced_Handle_FullMethodName,
	"value-entity":        valueentity.ValueEntity_Handle_FullMethodName,
	"action-unary":        action.ActionProtocol_HandleUnary_FullMethodName,
	"action-streamed-in":  action.ActionProtocol_HandleStreamedIn_FullMethodName,
	"action-streamed-out": action.ActionProtocol_HandleStreamedOut_FullMethodName,
	"action-streamed":     action.ActionProtocol_HandleStreamed_FullMethodName,
}

// Opening is the argument of open.
type Opening struct {
	// Method is the full gRPC path.
	Method string
	// Service and Entity choose among the calls that come to a function: the service, and the entity id or an action's command. Empty: any.
	Service, Entity string
	// as is the name for other steps.
	as string
}

func opening(value any) (Opening, error) {
	fields, ok := value.(map[string]any)
	if !ok {
		fields = map[string]any{"call": value}
	}
	var o Opening
	for key, value := range fields {
		text, ok := value.(string)
		if !ok {
			return o, fmt.Errorf("%s is a text", key)
		}
		switch key {
		case "call":
			if o.Method, ok = methods[text]; !ok {
				return o, fmt.Errorf("unknown call %q: it is %s", text, strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
			}
		case "service":
			o.Service = text
		case "entity":
			o.Entity = text
		case "as":
			o.as = text
		default:
			return o, fmt.Errorf("unknown field %q: it has call, as, service and entity", key)
		}
	}
	if o.Method == "" {
		return o, errors.New("say which call, such as event-sourced")
	}
	return o, nil
}

func checkOpen(value any) error {
	_, err := opening(value)
	return err
}

func checkMap(value any) error {
	if _, ok := value.(map[string]any); !ok {
		return errors.New("expected a message's fields, such as {reply: {command_id: 1}}")
	}
	return nil
}

func checkNothing(value any) error {
	if value != nil && value != "" {
		return errors.New("it takes nothing: write it with a colon only")
	}
	return nil
}

// duration reads the argument of delay.
func duration(value any) (time.Duration, error) {
	d, err := time.ParseDuration(fmt.Sprint(value))
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%v is no time such as 500ms", value)
	}
	return d, nil
}

func checkDelay(value any) error {
	_, err := duration(value)
	return err
}

// The ends that are no status.
const (
	halfClose = "half-close"
	cancelled = "cancel"
)

func checkEnd(value any) error {
	if value == halfClose || value == cancelled {
		return nil
	}
	_, err := code(value)
	return err
}

// code reads a status code by gRPC's name.
func code(value any) (codes.Code, error) {
	var c codes.Code
	if text, ok := value.(string); !ok || c.UnmarshalJSON([]byte(strconv.Quote(text))) != nil {
		return 0, fmt.Errorf("%v is no status such as OK or NOT_FOUND", value)
	}
	return c, nil
}

// stated reads the argument of status: a code, or code and message.
func stated(value any) (codes.Code, string, error) {
	fields, ok := value.(map[string]any)
	if !ok {
		c, err := code(value)
		return c, "", err
	}
	for key := range fields {
		if key != "code" && key != "message" {
			return 0, "", fmt.Errorf("unknown field %q: it has code and message", key)
		}
	}
	c, err := code(fields["code"])
	message, ok := fields["message"].(string)
	if fields["message"] != nil && !ok {
		return 0, "", errors.New("message is a text")
	}
	return c, message, err
}

func checkStatus(value any) error {
	_, _, err := stated(value)
	return err
}

// The ways to break the protocol.
const (
	wrongCommandID = "wrong-command-id"      // the last reply again, for a command that there is not
	withoutCommand = "reply-without-command" // a reply although nothing was asked
	duplicate      = "duplicate"             // the last message again
	garbage        = "garbage"               // bytes that are no message
	halfMessage    = "half-message"          // the first half of the last message's bytes
	silence        = "silence"               // nothing, until the peer ends the call
)

// functionBreaks are those of functions only.
var functionBreaks = []string{wrongCommandID, withoutCommand}

func checkBreak(value any) error {
	all := append([]string{duplicate, garbage, halfMessage, silence}, functionBreaks...)
	if text, ok := value.(string); !ok || !slices.Contains(all, text) {
		return fmt.Errorf("unknown way %v: it is %s", value, strings.Join(slices.Sorted(slices.Values(all)), ", "))
	}
	return nil
}
