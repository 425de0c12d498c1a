package entity

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// A note is what the store keeps beside an event or a value. It begins with a byte that
// says how to read the rest:
//
//	noteVersion, then a protocol buffer message
//	  1 remembered, repeated, oldest first
//	    1 key          bytes
//	    2 fingerprint  bytes, 32 of them
//	    3 version      varint, absent for events
//	    4 answer       absent when it was too long to keep
//	      1 reply      as cloudstate.Reply
//	      2 forward    as cloudstate.Forward
//
// Unknown fields are passed over, so that fields may be added; what changes the meaning of
// those above takes another first byte.
const noteVersion = 1

// ErrNote means that a note was not written by this program, or by a newer one.
var ErrNote = errors.New("a note that cannot be read")

// EncodeNote is the note that holds remembered, oldest first; nil for none.
func EncodeNote(remembered ...Remembered) []byte {
	if len(remembered) == 0 {
		return nil
	}
	note := []byte{noteVersion}
	for i := range remembered {
		r := &remembered[i]
		var b []byte
		b = AppendString(b, 1, r.Key)
		b = AppendMessage(b, 2, r.Fingerprint[:])
		if r.Version > 0 {
			b = protowire.AppendTag(b, 3, protowire.VarintType)
			b = protowire.AppendVarint(b, r.Version)
		}
		if !r.stripped {
			b = AppendMessage(b, 4, r.answer)
		}
		note = AppendMessage(note, 1, b)
	}
	return note
}

// DecodeNote is the inverse of EncodeNote. What it returns shares note's memory.
func DecodeNote(note []byte) ([]Remembered, error) {
	if len(note) == 0 {
		return nil, nil
	}
	if note[0] != noteVersion {
		return nil, fmt.Errorf("%w: it is of version %d, this program knows %d", ErrNote, note[0], noteVersion)
	}
	var all []Remembered
	err := Fields(note[1:], func(field protowire.Number, typ protowire.Type, raw []byte, _ uint64) error {
		if field != 1 || typ != protowire.BytesType {
			return nil
		}
		r, err := readRemembered(raw)
		all = append(all, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNote, err)
	}
	return all, nil
}

func readRemembered(msg []byte) (Remembered, error) {
	r := Remembered{stripped: true}
	whole := false
	err := Fields(msg, func(field protowire.Number, typ protowire.Type, raw []byte, num uint64) error {
		switch {
		case field == 1 && typ == protowire.BytesType:
			r.Key = string(raw)
		case field == 2 && typ == protowire.BytesType:
			whole = copy(r.Fingerprint[:], raw) == len(r.Fingerprint) && len(raw) == len(r.Fingerprint)
		case field == 3 && typ == protowire.VarintType:
			r.Version = num
		case field == 4 && typ == protowire.BytesType:
			r.answer, r.stripped = raw, false
		}
		return nil
	})
	if err == nil && (!whole || r.Key == "" || len(r.Key) > MaxKeyBytes) {
		err = errors.New("no key, or no fingerprint")
	}
	return r, err
}

func appendAnswer(b []byte, o Outcome) ([]byte, error) {
	switch {
	case o.Reply != nil:
		var reply []byte
		if o.Reply.Payload != nil {
			reply = AppendAny(reply, 1, o.Reply.TypeURL, o.Reply.Payload)
		}
		if o.Reply.Metadata != nil {
			md, err := proto.Marshal(o.Reply.Metadata)
			if err != nil {
				return nil, fmt.Errorf("the reply's metadata: %w", err)
			}
			reply = AppendMessage(reply, 2, md)
		}
		return AppendMessage(b, 1, reply), nil
	case o.Forward != nil:
		forward, err := proto.Marshal(o.Forward)
		if err != nil {
			return nil, fmt.Errorf("the forward: %w", err)
		}
		return AppendMessage(b, 2, forward), nil
	}
	return b, nil
}

// answerFields number the members of an answer as those of a client action, of which a failure is never kept.
var answerFields = ActionFields{Reply: 1, Forward: 2, Failure: -1}

func readAnswer(msg []byte) (Outcome, error) {
	var o Outcome
	member, err := ReadOneof(msg, 2, (*cloudstate.ClientAction)(nil))
	if err == nil {
		err = answerFields.ClientAction(member, &o)
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("%w: %w", ErrNote, err)
	}
	return o, nil
}
