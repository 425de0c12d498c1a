package script

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/match"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// filled puts the id in place of each text $command.
func filled(value any, command int64) any {
	switch value := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, inner := range value {
			out[key] = filled(inner, command)
		}
		return out
	case []any:
		out := make([]any, len(value))
		for i, inner := range value {
			out[i] = filled(inner, command)
		}
		return out
	case string:
		if value == "$command" {
			return command
		}
	}
	return value
}

func (r *Runner) expect(ctx context.Context, c *running, value any) error {
	value = filled(value, c.command)
	if name := unknown(value, r.types.NewMessage(c.method, r.as == Proxy).ProtoReflect().Descriptor()); name != "" {
		return fmt.Errorf("there is no field %s", name) // which no message would ever have
	}
	want, err := json.Marshal(value)
	if err != nil {
		return err
	}
	got, err := c.call.Next(ctx, string(want))
	if err != nil {
		return err
	}
	if got.Kind != trace.Data || got.Payload == nil {
		return &trace.Mismatch{Where: c.call.Where(), Expected: string(want), Got: match.Rules{}.NewConversation(r.types).Describe(got)}
	}
	c.note(got.Payload)
	text, err := r.types.JSON(got.Payload)
	if err != nil {
		return err
	}
	var came any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // compared by their digits
	if err := decoder.Decode(&came); err != nil {
		return err
	}
	if path := missing(value, came, ""); path != "" {
		return &trace.Mismatch{Where: c.call.Where(), Expected: fmt.Sprintf("%s (see %s)", want, path), Got: string(text)}
	}
	return nil
}

// missing returns the path of the first thing in want that got has not; empty if it has all. A field that got leaves out has its default.
func missing(want, got any, path string) string {
	switch want := want.(type) {
	case map[string]any:
		fields, ok := got.(map[string]any)
		if !ok && got != nil {
			return path
		}
		for key, value := range want {
			there, has := fields[key]
			if inner, isMessage := value.(map[string]any); !has && isMessage && len(inner) == 0 {
				return path + "." + key // an empty message must be there
			}
			if found := missing(value, there, path+"."+key); found != "" {
				return found
			}
		}
		return ""
	case []any:
		items, ok := got.([]any)
		if (!ok && got != nil) || len(items) != len(want) {
			return path
		}
		for i := range want {
			if found := missing(want[i], items[i], fmt.Sprintf("%s[%d]", path, i)); found != "" {
				return found
			}
		}
		return ""
	default:
		if got == nil && (want == nil || want == "" || want == false || fmt.Sprint(want) == "0") || fmt.Sprint(want) == fmt.Sprint(got) {
			return ""
		}
		return path
	}
}

// unknown returns the full name of a field that a message of that type has not, though value names it; empty if there is none. What payloads have
// depends on their types, so it is not looked at.
func unknown(value any, message protoreflect.MessageDescriptor) string {
	if message.FullName() == "google.protobuf.Any" {
		return ""
	}
	fields, _ := value.(map[string]any)
	for name, inner := range fields {
		field := message.Fields().ByName(protoreflect.Name(name))
		if field == nil {
			return string(message.FullName()) + "." + name
		}
		if field.Message() == nil || field.IsMap() {
			continue
		}
		items, isList := inner.([]any)
		if !isList {
			items = []any{inner}
		}
		for _, item := range items {
			if found := unknown(item, field.Message()); found != "" {
				return found
			}
		}
	}
	return ""
}

func expectEnd(ctx context.Context, c *running, value any) error {
	want := "the end of the call, " + fmt.Sprint(value)
	got, err := c.call.Next(ctx, want)
	if err != nil {
		return err
	}
	var met bool
	switch value {
	case halfClose:
		met = got.Kind == trace.HalfClose
	case cancelled:
		met = got.Kind == trace.Status && got.Code == codes.Canceled
	default:
		code, err := code(value)
		if err != nil {
			return err
		}
		met = got.Kind == trace.Status && got.Code == code
	}
	if met {
		return nil
	}
	return &trace.Mismatch{Where: c.call.Where(), Expected: want, Got: match.Rules{}.NewConversation(tracefile.NewTypes()).Describe(got)}
}
