package entity

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// The hot path reads and writes protocol messages by hand: a reply's payload, its
// events and its snapshot stay slices of the received message, so that nothing is
// decoded and encoded again on its way to the client or the journal. What is rare
// (forwards, failures, side effects, metadata) goes through generated code.

var errWire = errors.New("not a valid protocol buffer")

// Fields calls visit for each field of msg in wire order. raw is the field's
// value: for length-delimited fields the bytes, otherwise nil with the scalar in
// num. It fails on malformed input and on the first error of visit.
func Fields(msg []byte, visit func(field protowire.Number, typ protowire.Type, raw []byte, num uint64) error) error {
	for len(msg) > 0 {
		field, typ, n := protowire.ConsumeTag(msg)
		// protowire takes numbers that no field can have; the parsers of messages do not.
		if n < 0 || field > protowire.MaxValidNumber {
			return errWire
		}
		msg = msg[n:]
		var raw []byte
		var num uint64
		switch typ {
		case protowire.BytesType:
			raw, n = protowire.ConsumeBytes(msg)
			if raw == nil {
				raw = []byte{}
			}
		case protowire.VarintType:
			num, n = protowire.ConsumeVarint(msg)
		default:
			n = protowire.ConsumeFieldValue(field, typ, msg)
		}
		if n < 0 {
			return errWire
		}
		msg = msg[n:]
		if err := visit(field, typ, raw, num); err != nil {
			return err
		}
	}
	return nil
}

// Merge returns the encoding of one message that was found in two parts: for
// protocol buffers that is their concatenation, if each of them is a message. If one
// is not, what is returned is none either: half a field at the end of one part must
// not become whole by what the other begins with.
func Merge(a, b []byte) []byte {
	if a == nil {
		return b
	}
	for _, part := range [][]byte{a, b} {
		if Fields(part, ignore) != nil {
			return []byte{0} // a field of the number 0, which nobody reads
		}
	}
	return append(append(make([]byte, 0, len(a)+len(b)), a...), b...)
}

func ignore(protowire.Number, protowire.Type, []byte, uint64) error { return nil }

// Oneof keeps the last member of a oneof as it comes over the wire: a repeated
// member merges, another one replaces.
type Oneof struct {
	Field protowire.Number
	Raw   []byte
	// replaced is set when another member came before the last one.
	replaced bool
}

// Set takes the next member.
func (o *Oneof) Set(field protowire.Number, raw []byte) {
	if o.Field == field {
		o.Raw = Merge(o.Raw, raw)
		return
	}
	o.replaced = o.replaced || o.Field != 0
	o.Field, o.Raw = field, raw
}

// Check says whether msg, from which the oneof was read, can be parsed as what like
// is, if it has a member that was replaced: nothing else reads that one, and a
// message that no parser takes is none, whatever comes after the part at fault.
func (o *Oneof) Check(msg []byte, like proto.Message) error {
	if !o.replaced {
		return nil
	}
	return proto.Unmarshal(msg, like.ProtoReflect().New().Interface())
}

// ReadAny splits an encoded google.protobuf.Any.
func ReadAny(msg []byte) (typeURL string, value []byte, err error) {
	err = Fields(msg, func(field protowire.Number, typ protowire.Type, raw []byte, _ uint64) error {
		if typ != protowire.BytesType {
			return nil
		}
		switch field {
		case 1:
			if !utf8.Valid(raw) {
				return fmt.Errorf("type_url of an Any: %w", errUTF8)
			}
			typeURL = string(raw)
		case 2:
			value = raw
		}
		return nil
	})
	return typeURL, value, err
}

var errUTF8 = errors.New("a string that is not valid UTF-8")

// ClientAction reads an encoded cloudstate.ClientAction into out. An
// ActionResponse numbers the same three members differently, so the caller names
// them.
func (f ActionFields) ClientAction(o Oneof, out *Outcome) error {
	switch o.Field {
	case 0:
		return nil
	case f.Reply:
		r := &Reply{}
		var any, md []byte
		err := Fields(o.Raw, func(field protowire.Number, typ protowire.Type, raw []byte, _ uint64) error {
			if typ != protowire.BytesType {
				return nil
			}
			switch field {
			case 1:
				any = Merge(any, raw)
			case 2:
				md = Merge(md, raw)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("reply: %w", err)
		}
		if any != nil {
			if r.TypeURL, r.Payload, err = ReadAny(any); err != nil {
				return fmt.Errorf("reply.payload: %w", err)
			}
			if r.Payload == nil {
				r.Payload = []byte{}
			}
		}
		if md != nil {
			r.Metadata = &cloudstate.Metadata{}
			if err := proto.Unmarshal(md, r.Metadata); err != nil {
				return fmt.Errorf("reply.metadata: %w", err)
			}
		}
		out.Reply = r
	case f.Forward:
		out.Forward = &cloudstate.Forward{}
		if err := proto.Unmarshal(o.Raw, out.Forward); err != nil {
			return fmt.Errorf("forward: %w", err)
		}
	case f.Failure:
		out.Failure = &cloudstate.Failure{}
		if err := proto.Unmarshal(o.Raw, out.Failure); err != nil {
			return fmt.Errorf("failure: %w", err)
		}
	}
	return nil
}

// ActionFields are the field numbers of a client action's members.
type ActionFields struct{ Reply, Forward, Failure protowire.Number }

// ClientActionFields are those of cloudstate.ClientAction.
var ClientActionFields = ActionFields{Reply: 1, Forward: 2, Failure: 3}

// ReadOneof reads a message of like's type, which is nothing but a oneof of messages,
// numbered 1 to last.
func ReadOneof(msg []byte, last protowire.Number, like proto.Message) (Oneof, error) {
	var o Oneof
	err := Fields(msg, func(field protowire.Number, typ protowire.Type, raw []byte, _ uint64) error {
		if typ == protowire.BytesType && field <= last {
			o.Set(field, raw)
		}
		return nil
	})
	if err == nil {
		err = o.Check(msg, like)
	}
	return o, err
}

// ReadFailure reads a cloudstate.Failure that came on the stream itself.
func ReadFailure(msg []byte) (Answer, error) {
	f := &cloudstate.Failure{}
	if err := proto.Unmarshal(msg, f); err != nil {
		return Answer{}, fmt.Errorf("failure: %w", err)
	}
	return Answer{Kind: AnswerFailure, CommandID: f.GetCommandId(), Detail: f.GetDescription()}, nil
}

// ReadClientAction reads an encoded cloudstate.ClientAction into out.
func ReadClientAction(msg []byte, out *Outcome) error {
	o, err := ReadOneof(msg, 3, (*cloudstate.ClientAction)(nil))
	if err != nil {
		return err
	}
	return ClientActionFields.ClientAction(o, out)
}

// ReadSideEffect reads one encoded cloudstate.SideEffect and adds it to out.
func ReadSideEffect(msg []byte, out *Outcome) error {
	e := &cloudstate.SideEffect{}
	if err := proto.Unmarshal(msg, e); err != nil {
		return fmt.Errorf("side_effects: %w", err)
	}
	out.Effects = append(out.Effects, e)
	return nil
}

// AppendAny appends an encoded google.protobuf.Any as field num; it is present
// also when both parts are empty.
func AppendAny(b []byte, num protowire.Number, typeURL string, value []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(sizeField(len(typeURL))+sizeField(len(value))))
	b = AppendString(b, 1, typeURL)
	return AppendBytes(b, 2, value)
}

// sizeField is the size of a length-delimited field with a number below 16, which
// is left out when it is empty.
func sizeField(n int) int {
	if n == 0 {
		return 0
	}
	return 1 + protowire.SizeBytes(n)
}

// AppendString appends a string field, or nothing when s is empty.
func AppendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendString(b, s)
}

// AppendBytes appends a length-delimited field, or nothing when v is empty.
func AppendBytes(b []byte, num protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	return AppendMessage(b, num, v)
}

// AppendMessage appends an embedded message, also when it is empty: an empty
// message is present, an empty string is not.
func AppendMessage(b []byte, num protowire.Number, v []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, v)
}

// AppendCommand appends cmd, as an encoded cloudstate.Command, as field num
// (ES-16).
func AppendCommand(b []byte, num protowire.Number, entityID string, cmd *Command) []byte {
	anySize := sizeField(len(cmd.TypeURL)) + sizeField(len(cmd.Payload))
	size := sizeField(len(entityID)) +
		1 + protowire.SizeVarint(uint64(cmd.id)) +
		sizeField(len(cmd.Name)) +
		1 + protowire.SizeBytes(anySize) +
		sizeField(len(cmd.Metadata))
	if b == nil {
		b = make([]byte, 0, size+8)
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = AppendString(b, 1, entityID)
	b = protowire.AppendTag(b, 2, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(cmd.id))
	b = AppendString(b, 3, cmd.Name)
	b = AppendAny(b, 4, cmd.TypeURL, cmd.Payload)
	return AppendBytes(b, 6, cmd.Metadata)
}
