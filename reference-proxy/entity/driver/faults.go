package driver

import (
	"errors"
	"io"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/userfunction"
)

// storeFault sorts a store's error by what the caller can do about it.
func storeFault(err error, text string) *entity.Fault {
	if errors.Is(err, journal.ErrFull) {
		return &entity.Fault{Class: entity.FaultStoreFull, Text: "the store is full: " + text}
	}
	return &entity.Fault{Class: entity.FaultStore, Text: text}
}

func fenced(err error) bool { return errors.Is(err, journal.ErrFenced) }

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
