package tracefile

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// maxNesting bounds how many payloads inside payloads are decoded; what lies deeper is shown as bytes.
const maxNesting = 16

// JSON renders m on one line: protojson with the .proto files' field names and with payloads (Any values) decoded if their type is known and
// decoding loses nothing. Others are shown as bytes: {"@type": "trace.cloudstate.io/bytes", "type": "<the Any's>", "value": "<base64>"}.
func (t *Types) JSON(m proto.Message) ([]byte, error) {
	shown := proto.Clone(m)
	rewriteAnys(shown.ProtoReflect(), func(a *anypb.Any) { t.show(a, 0) })
	text, err := protojson.MarshalOptions{UseProtoNames: true, AllowPartial: true, Resolver: t}.Marshal(shown)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer // protojson varies its white space on purpose
	if err := json.Compact(&compact, text); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}

// Indented renders m as [Types.JSON] does, over several lines.
func (t *Types) Indented(m proto.Message) (string, error) {
	text, err := t.JSON(m)
	if err != nil {
		return "", err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		return "", err
	}
	return indented.String(), nil
}

// FromJSON sets m to what [Types.JSON] rendered, with the same types known, payloads byte by byte.
func (t *Types) FromJSON(text []byte, m proto.Message) error {
	if err := (protojson.UnmarshalOptions{AllowPartial: true, Resolver: t}).Unmarshal(text, m); err != nil {
		return err
	}
	var failed error
	rewriteAnys(m.ProtoReflect(), func(a *anypb.Any) {
		if err := t.unshow(a, 0); err != nil && failed == nil {
			failed = err
		}
	})
	return failed
}

// show makes a what protojson is to render: decodable, however deep.
func (t *Types) show(a *anypb.Any, depth int) {
	if a.GetTypeUrl() == "" && len(a.GetValue()) == 0 {
		return // protojson has a form for it
	}
	if inner, ok := t.Decode(a); ok && depth < maxNesting && a.GetTypeUrl() != bytesURL {
		rewriteAnys(inner.ProtoReflect(), func(a *anypb.Any) { t.show(a, depth+1) })
		if value, err := marshal(inner); err == nil {
			a.Value = value
			return
		}
	}
	kind, _ := special(bytesURL)
	wrapped := kind.New()
	fields := wrapped.Descriptor().Fields()
	wrapped.Set(fields.ByName("type"), protoreflect.ValueOfString(a.GetTypeUrl()))
	wrapped.Set(fields.ByName("value"), protoreflect.ValueOfBytes(a.GetValue()))
	value, err := marshal(wrapped.Interface())
	if err != nil {
		return // a type URL that is no UTF-8, which no decoder lets in
	}
	a.TypeUrl, a.Value = bytesURL, value
}

// unshow is the inverse of show.
func (t *Types) unshow(a *anypb.Any, depth int) error {
	if a.GetTypeUrl() == "" {
		return nil
	}
	if depth > maxNesting {
		return fmt.Errorf("payloads inside payloads, more than %d deep", maxNesting)
	}
	kind, err := t.FindMessageByURL(a.GetTypeUrl())
	if err != nil {
		return fmt.Errorf("payload of type %s: %w", a.GetTypeUrl(), err)
	}
	inner := kind.New()
	if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: t}).Unmarshal(a.GetValue(), inner.Interface()); err != nil {
		return fmt.Errorf("payload of type %s: %w", a.GetTypeUrl(), err)
	}
	if a.GetTypeUrl() == bytesURL {
		fields := inner.Descriptor().Fields()
		a.TypeUrl, a.Value = inner.Get(fields.ByName("type")).String(), inner.Get(fields.ByName("value")).Bytes()
		return nil
	}
	var failed error
	rewriteAnys(inner, func(a *anypb.Any) {
		if err := t.unshow(a, depth+1); err != nil && failed == nil {
			failed = err
		}
	})
	if failed != nil {
		return failed
	}
	a.Value, err = marshal(inner.Interface())
	return err
}

// Decode returns the message in a, if its type is known and encoding the message again gives the same bytes.
func (t *Types) Decode(a *anypb.Any) (proto.Message, bool) {
	kind, err := t.FindMessageByURL(a.GetTypeUrl())
	if err != nil {
		return nil, false
	}
	inner := kind.New().Interface()
	if (proto.UnmarshalOptions{AllowPartial: true, Resolver: t}).Unmarshal(a.GetValue(), inner) != nil || hasUnknown(inner.ProtoReflect()) {
		return nil, false
	}
	again, err := marshal(inner)
	return inner, err == nil && bytes.Equal(again, a.GetValue())
}

func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(m)
}

// hasUnknown tells whether m holds fields anywhere that its type does not have, which protojson would drop.
func hasUnknown(m protoreflect.Message) bool {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	found := false
	eachMessage(m, func(inner protoreflect.Message) {
		found = found || hasUnknown(inner)
	})
	return found
}

// rewriteAnys calls f with each outermost Any in m, to be changed in place.
func rewriteAnys(m protoreflect.Message, f func(*anypb.Any)) {
	if a, ok := m.Interface().(*anypb.Any); ok {
		f(a)
		return
	}
	if m.Descriptor().FullName() == "google.protobuf.Any" { // of a learnt type's own import
		fields := m.Descriptor().Fields()
		url, value := fields.ByNumber(1), fields.ByNumber(2)
		a := &anypb.Any{TypeUrl: m.Get(url).String(), Value: m.Get(value).Bytes()}
		f(a)
		m.Set(url, protoreflect.ValueOfString(a.GetTypeUrl()))
		m.Set(value, protoreflect.ValueOfBytes(a.GetValue()))
		return
	}
	eachMessage(m, func(inner protoreflect.Message) { rewriteAnys(inner, f) })
}

// eachMessage calls f with the messages directly below m.
func eachMessage(m protoreflect.Message, f func(protoreflect.Message)) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, value protoreflect.Value) bool {
					f(value.Message())
					return true
				})
			}
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				f(value.List().Get(i).Message())
			}
		default:
			f(value.Message())
		}
		return true
	})
}
