package suite

import (
	"errors"
	"fmt"
)

// Failure says how the target broke a requirement, for a person who has to mend it.
type Failure struct {
	// Requirement is the id in SPEC.md; empty means the first of the case's requirements.
	Requirement string `json:"requirement"`
	// Expected is what a conforming target does, in one sentence or as the message it sends.
	Expected string `json:"expected"`
	// Got is what this target did instead.
	Got string `json:"got"`
	// Remedy says what an implementer should look at. May be empty when the expectation says it all.
	Remedy string `json:"remedy,omitempty"`
}

// Error implements error.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s: expected %s, got %s", f.Requirement, f.Expected, f.Got)
}

// KitError marks an error as the kit's own fault: wherever it surfaces ([T.Check] included), the verdict is error, not failed.
type KitError struct{ Err error }

// Error implements error.
func (e *KitError) Error() string { return "the kit's own fault: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *KitError) Unwrap() error { return e.Err }

// IsKitFault reports whether err, or anything that it wraps, is the kit's own fault.
func IsKitFault(err error) bool {
	var kit *KitError
	return errors.As(err, &kit)
}
