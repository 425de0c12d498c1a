// Package wire drives one side of a gRPC stream from a script: send this, expect that, with a deadline on every wait, and all of
// it recorded.
//
// What enters: a gRPC stream of either side whose codec is [Codec], so that bytes that no protobuf message would make can be
// sent and received too.
//
// What leaves: a [Conversation], which mockproxy and mockfunction dress with the messages of their protocols. Expectations that
// are not met are *[trace.Mismatch] errors; every other error is a fault of the script or of this side.
//
// What it never does: it makes no connection, and knows no protocol.
package wire
