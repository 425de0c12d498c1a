package driver

import (
	"errors"
	"fmt"
	"io"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/userfunction"
)

// What callers are told who may try again (SERV-55); each says whether the command may
// have been carried out.
const (
	textHeld        = "another node serves the entity; the command was not carried out, try again"
	textTakenOver   = "the entity was changed by another node meanwhile; the command was not carried out, try again"
	textUnreachable = "the store cannot be reached; the command was not carried out, try again"
	textUnknown     = "the store did not say whether it wrote; the command may have been carried out"
	textNotWritten  = "the store did not write; the command was not carried out, try again"
	textUnconfirmed = "it is not sure that this node still serves the entity; nothing was changed, try again"
)

// loadFault sorts why an instance could not be loaded or adopted, by what the caller can
// do about it. text is the fixed text for what no second try mends.
func (in *instance) loadFault(err error, text string) *entity.Fault {
	switch {
	case damaged(err):
		return damageFault(in.id)
	case lasting(err):
		return lastingFault(err, text)
	case errors.Is(err, journal.ErrHeld):
		return again(textHeld)
	case errors.Is(err, journal.ErrFenced), errors.Is(err, journal.ErrConflict), errors.Is(err, journal.ErrPruned):
		return again(textTakenOver)
	default:
		return again(textUnreachable)
	}
}

// recallFault is loadFault for what the entity remembers of keyed commands. A note that
// cannot be read is no damage to the entity's state, so it does not claim that; and damage
// that only such a command meets does not keep the entity from being served.
func (in *instance) recallFault(err error, text string) *entity.Fault {
	switch {
	case errors.Is(err, entity.ErrNote):
		return &entity.Fault{Class: entity.FaultStore, Text: "it cannot be told whether the command was carried out before: " + text}
	case damaged(err):
		return &entity.Fault{Class: entity.FaultDamaged, Text: fmt.Sprintf(
			"what is stored of %v is damaged, so it cannot be told whether the command was carried out before; it was not sent now", in.id)}
	}
	return in.loadFault(err, text)
}

// writeFault is loadFault for a write.
func (in *instance) writeFault(err error, text string) *entity.Fault {
	switch {
	case !journal.NotWritten(err):
		return again(textUnknown)
	case damaged(err):
		return damageFault(in.id)
	case lasting(err):
		return lastingFault(err, text)
	case errors.Is(err, journal.ErrFenced), errors.Is(err, journal.ErrConflict), errors.Is(err, journal.ErrHeld):
		return again(textTakenOver)
	default:
		return again(textNotWritten)
	}
}

// lasting tells what trying again does not mend.
func lasting(err error) bool {
	for _, l := range []error{journal.ErrFull, journal.ErrTooLarge, journal.ErrInvalid, journal.ErrFormat} {
		if errors.Is(err, l) {
			return true
		}
	}
	return false
}

func lastingFault(err error, text string) *entity.Fault {
	switch {
	case errors.Is(err, journal.ErrFull):
		return &entity.Fault{Class: entity.FaultStoreFull, Text: "the store is full: " + text}
	default:
		return &entity.Fault{Class: entity.FaultStore, Text: text}
	}
}

func again(text string) *entity.Fault {
	return &entity.Fault{Class: entity.FaultStoreUnavailable, Text: text}
}

// classify tells a stream that the user function ended from one that was lost.
func classify(err error) (entity.FaultClass, string) {
	switch {
	case errors.Is(err, io.EOF):
		return entity.FaultProtocol, "closed the stream although the proxy had not"
	case errors.Is(err, userfunction.ErrUnavailable):
		return entity.FaultUnavailable, "is gone: " + err.Error()
	default:
		return entity.FaultProtocol, "ended the stream: " + err.Error()
	}
}

// openFault sorts the reasons for which no stream could be opened; nothing was sent.
func openFault(err error) *entity.Fault {
	if errors.Is(err, userfunction.ErrNoRoom) {
		return &entity.Fault{Class: entity.FaultOverload, Text: err.Error()}
	}
	return &entity.Fault{Class: entity.FaultUnavailable, Text: "the user function cannot be reached"}
}
