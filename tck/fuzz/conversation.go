package fuzz

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

// Kind is what a conversation is about.
type Kind string

// The kinds of conversations. The four of actions are named after the streaming kind of the called method.
const (
	EventSourced   Kind = "event-sourced"
	ValueEntity    Kind = "value-entity"
	ActionUnary    Kind = "action-unary"
	ActionIn       Kind = "action-streamed-in"
	ActionOut      Kind = "action-streamed-out"
	ActionStreamed Kind = "action-streamed"
	// Discovery is discover and reportError with a frontend; with a proxy, a lost connection and the answers to discover after it.
	Discovery Kind = "discovery"
	// Raw is HTTP/2 without gRPC's good manners, on a connection of its own.
	Raw Kind = "raw"
)

// Conversation is what the fuzzer does with a target once, as data.
type Conversation struct {
	// Side is what is fuzzed.
	Side target.Role `json:"side"`
	Kind Kind        `json:"kind"`
	// Steps are carried out in order. A conversation with a frontend that does not say how it ends is half-closed.
	Steps []Step `json:"steps"`
}

// Step is one thing that the fuzzer does and awaits the outcome of.
type Step struct {
	// Send is the next message to a frontend, or the client's next message to a proxy.
	Send *Message `json:"send,omitempty"`
	// Eager goes on to the next step without awaiting what a frontend answers to this one.
	Eager bool `json:"eager,omitempty"`
	// End ends a stream to a frontend.
	End End `json:"end,omitempty"`
	// Cancel has the client of a proxy give up when the user function has its command.
	Cancel bool `json:"cancel,omitempty"`
	// Answers are what the user function behind a proxy does when it has got what Send brings there.
	Answers []Answer `json:"answers,omitempty"`
	// Frame is one thing to do on a raw connection.
	Frame *Frame `json:"frame,omitempty"`
}

// End is how a side ends a stream.
type End string

// The ends of streams.
const (
	// HalfClose is the orderly end by a caller.
	HalfClose End = "half-close"
	// OK is the orderly end by the called side, Failed its end with a status.
	OK     End = "ok"
	Failed End = "failed"
	// Reset breaks the stream, Disconnect the connection.
	Reset      End = "reset"
	Disconnect End = "disconnect"
)

// Answer is one thing that the user function does on a stream: it sends a message, or ends the stream.
type Answer struct {
	Send *Message `json:"send,omitempty"`
	// Prefix lies about the message in gRPC's five bytes before it: "compressed", "longer" or "shorter" than it is.
	Prefix string `json:"prefix,omitempty"`
	End    End    `json:"end,omitempty"`
}

// Message is a message of the protocol and what is done to it before it is sent.
type Message struct {
	Body      proto.Message
	Mutations []Mutation
}

// messageFile is how a message is written.
type messageFile struct {
	Type      protoreflect.FullName `json:"type"`
	Body      json.RawMessage       `json:"body"`
	Mutations []Mutation            `json:"mutations,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (m *Message) MarshalJSON() ([]byte, error) {
	body, err := protojson.Marshal(m.Body)
	if err != nil {
		return nil, fmt.Errorf("fuzz: writing a message: %w", err)
	}
	return json.Marshal(messageFile{Type: m.Body.ProtoReflect().Descriptor().FullName(), Body: body, Mutations: m.Mutations})
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Message) UnmarshalJSON(text []byte) error {
	var file messageFile
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName(file.Type)
	if err != nil {
		return fmt.Errorf("message type %q: %w", file.Type, err)
	}
	m.Body, m.Mutations = kind.New().Interface(), file.Mutations
	if err := protojson.Unmarshal(file.Body, m.Body); err != nil {
		return fmt.Errorf("a %s: %w", file.Type, err)
	}
	return nil
}

// placeholder stands for the entity id in all messages of a conversation. Each time that the conversation is held it is replaced, after the
// mutations, by an id of the same length that was never used before.
const placeholder = "fuzz-entity-0000"

// bytesFor returns what is sent when the conversation is held for that entity id.
func (m *Message) bytesFor(entity string) []byte {
	raw := mutated(m.Body, m.Mutations)
	return bytes.ReplaceAll(raw, []byte(placeholder), []byte(entity))
}

// Case is conversations that, held one after the other, made a target fail, and why.
type Case struct {
	// Failure is what was wrong, for people; nothing depends on it.
	Failure       string         `json:"failure,omitempty"`
	Conversations []Conversation `json:"conversations"`
}

// maxConversations, maxSteps and maxAnswers bound a case: a case that a person keeps is shorter by far.
const (
	maxConversations = 10_000
	maxSteps         = 1_000
	maxAnswers       = 1_000
)

// ErrCase is wrapped by all errors of [Parse].
var ErrCase = errors.New("not a case of the fuzzer")

// Parse reads a case as [Case.Text] writes it.
func Parse(text []byte) (Case, error) {
	var c Case
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return Case{}, fmt.Errorf("%w: %w", ErrCase, err)
	}
	if len(c.Conversations) == 0 || len(c.Conversations) > maxConversations {
		return Case{}, fmt.Errorf("%w: it has %d conversations, and must have 1 to %d", ErrCase, len(c.Conversations), maxConversations)
	}
	for i, conversation := range c.Conversations {
		if err := conversation.check(); err != nil {
			return Case{}, fmt.Errorf("%w: conversation %d: %w", ErrCase, i+1, err)
		}
	}
	return c, nil
}

// Text writes the case.
func (c Case) Text() ([]byte, error) {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("fuzz: writing a case: %w", err)
	}
	return append(text, '\n'), nil
}

func (c *Conversation) check() error {
	if c.Side != target.Proxy && c.Side != target.Frontend {
		return fmt.Errorf("side %q: write %q or %q", c.Side, target.Proxy, target.Frontend)
	}
	if _, ok := bodies[bodyKey{c.Side, c.Kind}]; !ok && c.Kind != Raw && c.Kind != Discovery {
		return fmt.Errorf("there is no kind %q", c.Kind)
	}
	if len(c.Steps) > maxSteps {
		return fmt.Errorf("%d steps are too many: at most %d", len(c.Steps), maxSteps)
	}
	for i, step := range c.Steps {
		if err := c.checkStep(step); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return nil
}

func (c *Conversation) checkStep(step Step) error {
	if len(step.Answers) > maxAnswers {
		return fmt.Errorf("%d answers are too many: at most %d", len(step.Answers), maxAnswers)
	}
	want := bodies[bodyKey{c.Side, c.Kind}]
	if step.Send != nil && (step.Send.Body == nil || want.send != nil && !is(step.Send, want.send)) {
		return fmt.Errorf("a %s conversation with a %s does not send such a message", c.Kind, c.Side)
	}
	for _, answer := range step.Answers {
		if answer.Send != nil && (answer.Send.Body == nil || want.answer != nil && !is(answer.Send, want.answer)) {
			return fmt.Errorf("a user function does not answer %s with such a message", c.Kind)
		}
	}
	return nil
}

func is(m *Message, want proto.Message) bool {
	return m.Body.ProtoReflect().Descriptor().FullName() == want.ProtoReflect().Descriptor().FullName()
}

// clone returns a copy that shares messages, which are never changed, and nothing else.
func (c *Conversation) clone() Conversation {
	out := *c
	steps := make([]Step, len(c.Steps))
	for i, step := range c.Steps {
		step.Answers = append([]Answer(nil), step.Answers...)
		steps[i] = step
	}
	out.Steps = steps
	return out
}
