package suite

import "context"

// Work is what a case puts on the targets while its environment disturbs them. It is safe for concurrent use.
type Work interface {
	// Await returns when n more operations than at its call have been acknowledged, or with ctx's cause.
	Await(ctx context.Context, n int64) error
}

// Environment is what befalls the targets while a case puts work on them.
type Environment interface {
	// Name is how the environment is asked for.
	Name() string
	// Disturb does to the targets what the environment is made of, each time after a part of the work, and returns when the budget of the run is spent:
	// every target is up again then, and no link is disturbed but as it always is. figures says what was done, with the seed that does it again. A [*Failure] in the chain of the error is the
	// target's, anything else is the kit's. Call it once a case.
	Disturb(ctx context.Context, work Work) (figures string, err error)
}
