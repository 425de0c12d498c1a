package entity

import (
	"crypto/sha256"
	"encoding/binary"
)

// Keyed makes a command one that its caller may send again: within the window it takes
// effect once, and later tries are told what the first came to (IDEM-03).
type Keyed struct {
	// Key names the call among those to the entity: the client's text, or for a forward what
	// was derived from it. 1 to MaxKeyBytes long.
	Key string

	print *Fingerprint // made when it is first asked for
}

// MaxKeyBytes is the length of the longest key.
const MaxKeyBytes = 128

// Fingerprint tells commands with the same key apart: a digest of the method's name and
// the payload, as they came over the wire (IDEM-05).
type Fingerprint [sha256.Size]byte

// fingerprint is that of a keyed command.
func (c *Command) fingerprint() Fingerprint {
	if c.Keyed.print == nil {
		h := sha256.New()
		h.Write(binary.AppendUvarint(nil, uint64(len(c.Name))))
		h.Write([]byte(c.Name))
		h.Write(c.Payload)
		c.Keyed.print = (*Fingerprint)(h.Sum(nil))
	}
	return *c.Keyed.print
}

// Remembered is what an entity remembers of a keyed command that changed its state. It is
// stored in the same atomic write as that change, so that one is there if the other is.
type Remembered struct {
	Key         string
	Fingerprint Fingerprint
	// Version is that of the value which the command made; 0 for one that made events.
	Version uint64
	// answer encodes what the caller was told: a reply, a forward, or nothing.
	answer []byte
	// stripped tells that the answer was too long to keep.
	stripped bool
}

// MaxAnswerBytes is the length of the longest answer that is kept with an event.
const MaxAnswerBytes = 64 << 10

// remember is what is to be stored of a keyed command that came to o. Side effects are
// not: a later try does not repeat them (IDEM-09).
func (c *Command) remember(o Outcome) *Remembered {
	r := &Remembered{Key: c.Keyed.Key, Fingerprint: c.fingerprint()}
	answer, err := appendAnswer(nil, o)
	if err != nil || len(answer) > MaxAnswerBytes {
		r.strip()
		return r
	}
	r.answer = answer
	return r
}

// strip forgets the answer, and only that.
func (r *Remembered) strip() { r.answer, r.stripped = nil, true }

// Answers is what the caller of cmd, which has the same key, is told.
func (r *Remembered) Answers(cmd *Command) (Outcome, error) {
	switch {
	case r.Fingerprint != cmd.fingerprint():
		return Outcome{Fault: &Fault{FaultKeyReused,
			"the idempotency key was used for another command to this entity, or for the same one with another request; nothing was carried out: use a new key for a new command"}}, nil
	case r.stripped:
		return Outcome{Fault: &Fault{FaultAnswerLost,
			"the command with this idempotency key was carried out before, and not again; its answer was too long to keep"}}, nil
	}
	return readAnswer(r.answer)
}
