package trace

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Party names who sent or received a message, in the words of SPEC.md.
type Party string

// The parties that talk gRPC to each other.
const (
	Client   Party = "client"   // calls the services that a proxy serves
	Proxy    Party = "proxy"    // owns the state
	Frontend Party = "frontend" // the user function and its support library
)

// Kind tells what happened on a stream.
type Kind uint8

// What can happen on a stream. A unary call is a stream with one message each way.
const (
	// Open is the start of a call; it carries the request headers.
	Open Kind = iota + 1
	// Data is one message.
	Data
	// HalfClose says that the caller will send no more messages.
	HalfClose
	// Status is the end of the call as the called side stated it; it carries Code, Reason and the trailers.
	Status
	// Cancel is the end of the call by cancellation or by loss of the connection, seen from either side.
	Cancel
)

// String returns the kind's name in lower case, such as "half-close".
func (k Kind) String() string {
	switch k {
	case Open:
		return "open"
	case Data:
		return "message"
	case HalfClose:
		return "half-close"
	case Status:
		return "status"
	case Cancel:
		return "cancel"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// StreamID tells the calls of one [Recorder] apart. Zero is no stream.
type StreamID uint64

// Message is one thing that happened on the wire.
type Message struct {
	// Seq is the message's place in its recorder's order, from 1; the recorder sets it.
	Seq uint64
	// Time is when it was seen; the recorder sets it if it is zero.
	Time time.Time
	// From and To are the two ends of the call; From sent this.
	From, To Party
	// Stream is the call that it belongs to.
	Stream StreamID
	// Method is the full gRPC path, such as "/cloudstate.eventsourced.EventSourced/handle".
	Method string
	// Kind tells which of the following fields mean something.
	Kind Kind
	// Payload is the decoded message of Kind Data; nil if it was not, or could not be, decoded. It is shared: never modify it.
	Payload proto.Message
	// Raw holds the bytes of Kind Data that have no Payload. A recorder may keep only the first part of them.
	Raw []byte
	// Size is the length of a Data message on the wire, in bytes, without gRPC's five byte prefix.
	Size int
	// Code and Reason are the gRPC status of Kind Status, and the cause of Kind Cancel.
	Code   codes.Code
	Reason string
	// Metadata holds the headers of Kind Open and the trailers of Kind Status.
	Metadata metadata.MD
}

// IsAnswer tells whether the called side of the call sent the message: the user function, or the proxy to a client.
func (m Message) IsAnswer() bool { return m.From == Frontend || m.To == Client }

// Body renders what the message carried, on one line and without the ends and the method: the payload as compact JSON-like text
// with Any values expanded, undecodable bytes in hexadecimal, the status, or the metadata.
func (m Message) Body() string {
	var parts []string
	switch m.Kind {
	case Data:
		if m.Payload != nil {
			parts = append(parts, Text(m.Payload))
		} else {
			parts = append(parts, RawText(m.Raw, m.Size))
		}
	case Status, Cancel:
		text := m.Code.String()
		if m.Reason != "" {
			text += ": " + clip(m.Reason)
		}
		parts = append(parts, text)
	case Open, HalfClose: // metadata at most
	}
	if len(m.Metadata) > 0 {
		parts = append(parts, metadataText(m.Metadata))
	}
	return strings.Join(parts, " ")
}

// String renders the whole message on one line: number, ends, stream, method, kind and body.
func (m Message) String() string {
	line := fmt.Sprintf("#%d %s -> %s [%d %s] %s", m.Seq, m.From, m.To, m.Stream, shortMethod(m.Method), m.Kind)
	if body := m.Body(); body != "" {
		line += " " + body
	}
	return line
}

// shortMethod drops the package of a full method: readers know it, and the line is long enough.
func shortMethod(method string) string {
	service, name, ok := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	if !ok {
		return method
	}
	return service[strings.LastIndexByte(service, '.')+1:] + "/" + name
}
