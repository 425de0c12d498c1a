package storm

import (
	"context"
	"slices"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/oracle"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// Full names of the TCK's model services.
const (
	esModel = "cloudstate.tck.model.EventSourcedTckModel"
	veModel = "cloudstate.tck.model.valueentity.ValueEntityTckModel"
)

// limit bounds a case whatever its environment: it goes on for as long as there are disturbances to come, and ends by itself when work stands still.
const limit = 6 * time.Hour

// Cases returns all cases that judge outcomes.
func Cases() []suite.Case {
	es := []string{suite.EventSourced, esModel}
	ve := []string{suite.ValueEntity, veModel}
	return []suite.Case{
		outcomes("es/pair/storm", "whatever happens, an event sourced entity holds each acknowledged event once and in order, and nothing of what was refused",
			es, []string{"ES-20", "ES-06", "ES-07", "ES-10", "ES-24", "ES-36"},
			mix{kinds: []kind{eventSourced}, reads: 25, pairs: 12, doomed: 12}),
		outcomes("ve/pair/storm", "whatever happens, the answers of a value entity are those of one value that is changed by one command after the other",
			ve, []string{"VE-13", "VE-20"},
			mix{kinds: []kind{valueEntity}, reads: 30, deletes: 6, doomed: 12}),
		outcomes("idem/pair/storm", "whatever happens, a command that is tried again with its idempotency key until it is answered takes effect exactly once",
			slices.Concat(es, ve, []string{suite.NeedIdempotency}), []string{"IDEM-03", "IDEM-04", "IDEM-07"},
			mix{kinds: []kind{eventSourced, valueEntity}, reads: 25, pairs: 12, keyed: true}),
	}
}

func outcomes(id, title string, needs, requirements []string, m mix) suite.Case {
	return suite.Case{
		ID: id, Title: title, Kind: suite.Pair, Needs: needs, Requirements: requirements, Outcomes: true, Timeout: limit,
		Run: func(ctx context.Context, t *suite.T) { run(ctx, t, m) },
	}
}

// kind is one of the model's entities: how it is called, and how its state is judged.
type kind struct {
	name   string // begins the ids of its entities
	judged oracle.Kind
	call   call
}

var (
	eventSourced = kind{"es", oracle.Log, callEventSourced}
	valueEntity  = kind{"ve", oracle.Value, callValue}
)

// mix says what clients do, each number being a share in percent of all operations; the rest are writes.
type mix struct {
	kinds []kind
	// reads change nothing; deletes delete a value; doomed commands change the state and then fail.
	reads, deletes, doomed int
	// pairs make two events at once.
	pairs int
	// keyed commands are tried again until they are answered.
	keyed bool
}
