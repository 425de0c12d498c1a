// Package payload turns Go values into the google.protobuf.Any payloads of the Cloudstate protocol and back.
//
// What enters: a protobuf message, a primitive (string, []byte, int32, int64, float32, float64, bool) or a Go value
// that is stored as JSON (see [JSON]). What leaves: an Any whose type URL says which of the three it is
// (SPEC SER-01, SER-02, SER-04), with a stable encoding: equal values give equal bytes (SER-05).
//
// It never does I/O, keeps no state, and never guesses: a payload of another type than the one asked for is an error
// that names both.
package payload
