package tracefile

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

// Version is the version of the format that is written. The first number changes when a reader of the old form would misunderstand the new
// one, the second when something is added.
const Version = "1.0"

// Header is the first line of a file.
type Header struct {
	// Version is the format's; [NewWriter] sets it.
	Version string `json:"cloudstate_trace"`
	// MadeBy names the program that recorded, with its version.
	MadeBy string `json:"made_by,omitempty"`
	// Began is when recording began; the times of messages count from it.
	Began time.Time `json:"began"`
	// Note says what is recorded, for people.
	Note string `json:"note,omitempty"`
}

// line is one message as JSON.
type line struct {
	Seq    uint64      `json:"seq"`
	AtUS   int64       `json:"at_us"`
	Stream uint64      `json:"stream"`
	From   trace.Party `json:"from"`
	To     trace.Party `json:"to"`
	Method string      `json:"method"`
	Kind   string      `json:"kind"`
	// Size is the length of a message on the wire.
	Size int `json:"size,omitempty"`
	// Message is the decoded message. Bytes are there when there is none, or when it does not tell all.
	Message json.RawMessage `json:"message,omitempty"`
	Bytes   string          `json:"bytes,omitempty"`
	// Code, Reason and Metadata are those of [trace.Message].
	Code     string              `json:"code,omitempty"`
	Reason   string              `json:"reason,omitempty"`
	Metadata map[string][]string `json:"metadata,omitempty"`
}

// kindOf is the inverse of [trace.Kind.String]; 0 for what is no kind.
func kindOf(name string) trace.Kind {
	for _, kind := range []trace.Kind{trace.Open, trace.Data, trace.HalfClose, trace.Status, trace.Cancel} {
		if kind.String() == name {
			return kind
		}
	}
	return 0
}

// encode makes the line of m.
func (t *Types) encode(m trace.Message, began time.Time) (line, error) {
	out := line{
		Seq: m.Seq, AtUS: m.Time.Sub(began).Microseconds(), Stream: uint64(m.Stream), From: m.From, To: m.To, Method: m.Method,
		Kind: m.Kind.String(), Reason: m.Reason, Metadata: encodeMetadata(m.Metadata),
	}
	switch m.Kind {
	case trace.Data:
		out.Size = m.Size
		raw := m.Raw
		if m.Payload != nil {
			var err error
			if raw, err = marshal(m.Payload); err != nil {
				return line{}, err
			}
			out.Message = t.exact(raw, t.NewMessage(m.Method, m.IsAnswer()), m.Payload)
			if out.Message != nil {
				return out, nil
			}
		}
		out.Bytes = base64.StdEncoding.EncodeToString(raw)
	case trace.Status, trace.Cancel:
		out.Code = codeName(m.Code)
	case trace.Open, trace.HalfClose:
	default:
		return line{}, fmt.Errorf("%s is none of the things that happen on a stream", m.Kind)
	}
	return out, nil
}

// exact renders the message that raw holds; nil if its type is not known, is not payload's, or if reading the text again gives another message.
func (t *Types) exact(raw []byte, m, payload proto.Message) json.RawMessage {
	if m == nil || m.ProtoReflect().Descriptor().FullName() != payload.ProtoReflect().Descriptor().FullName() {
		return nil
	}
	if (proto.UnmarshalOptions{AllowPartial: true, Resolver: t}).Unmarshal(raw, m) != nil {
		return nil
	}
	text, err := t.JSON(m)
	if err != nil {
		return nil
	}
	again := m.ProtoReflect().New().Interface()
	if t.FromJSON(text, again) != nil || !proto.Equal(m, again) {
		return nil
	}
	return text
}

// decode makes the message of a line.
func (t *Types) decode(l line, began time.Time) (trace.Message, error) {
	m := trace.Message{
		Seq: l.Seq, Time: began.Add(time.Duration(l.AtUS) * time.Microsecond), Stream: trace.StreamID(l.Stream), From: l.From, To: l.To,
		Method: l.Method, Kind: kindOf(l.Kind), Reason: l.Reason,
	}
	for _, party := range []trace.Party{l.From, l.To} {
		if party != trace.Client && party != trace.Proxy && party != trace.Frontend {
			return m, fmt.Errorf("party %q: it is client, proxy or frontend", party)
		}
	}
	var err error
	if m.Metadata, err = decodeMetadata(l.Metadata); err != nil {
		return m, err
	}
	switch m.Kind {
	case trace.Data:
		return m, t.decodeData(l, &m)
	case trace.Status, trace.Cancel:
		m.Code, err = codeOf(l.Code)
		return m, err
	case trace.Open, trace.HalfClose:
		return m, nil
	default:
		return m, fmt.Errorf("kind %q: it is open, message, half-close, status or cancel", l.Kind)
	}
}

func (t *Types) decodeData(l line, m *trace.Message) error {
	m.Size = l.Size
	if l.Message == nil {
		raw, err := base64.StdEncoding.DecodeString(l.Bytes)
		if err != nil {
			return fmt.Errorf("bytes: %w", err)
		}
		if len(raw) > l.Size {
			return fmt.Errorf("%d bytes, but the size is %d", len(raw), l.Size)
		}
		if decoded := t.NewMessage(m.Method, m.IsAnswer()); len(raw) == l.Size && decoded != nil && proto.Unmarshal(raw, decoded) == nil {
			m.Payload = decoded
		} else {
			m.Raw = raw
		}
		return nil
	}
	decoded := t.NewMessage(m.Method, m.IsAnswer())
	if decoded == nil {
		return fmt.Errorf("the type of method %s is not known: no discovery answer before this line has it", m.Method)
	}
	if l.Bytes != "" {
		return errors.New("a message has either message or bytes, not both")
	}
	if err := t.FromJSON(l.Message, decoded); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	m.Payload = decoded
	return nil
}

// codeNames are the names of gRPC's status codes in its specification; other codes are written as numbers.
var codeNames = []string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

func codeName(code codes.Code) string {
	if int(code) < len(codeNames) {
		return codeNames[code]
	}
	return strconv.FormatUint(uint64(code), 10)
}

func codeOf(name string) (codes.Code, error) {
	if i := slices.Index(codeNames, name); i >= 0 {
		return codes.Code(i), nil //nolint:gosec // the table is short
	}
	code, err := strconv.ParseUint(name, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("code %q is no gRPC status, such as NOT_FOUND", name)
	}
	return codes.Code(code), nil
}

// encodeMetadata writes the values of keys that end with -bin in base64, as gRPC does.
func encodeMetadata(md metadata.MD) map[string][]string {
	return eachValue(md, func(value string) string { return base64.StdEncoding.EncodeToString([]byte(value)) })
}

func decodeMetadata(md map[string][]string) (metadata.MD, error) {
	var failed error
	out := eachValue(md, func(value string) string {
		raw, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			failed = fmt.Errorf("metadata: %w", err)
		}
		return string(raw)
	})
	return out, failed
}

// eachValue copies md, with f for the values of binary keys.
func eachValue(md map[string][]string, f func(string) string) map[string][]string {
	if len(md) == 0 {
		return nil
	}
	out := make(map[string][]string, len(md))
	for key, values := range md {
		copied := make([]string, len(values))
		for i, value := range values {
			if strings.HasSuffix(key, "-bin") {
				value = f(value)
			}
			copied[i] = value
		}
		out[key] = copied
	}
	return out
}
