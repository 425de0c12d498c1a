// Package userfunction is the proxy's side of the connections to the user function.
//
// What enters: protocol messages as raw protobuf bytes, method paths, and the address of the user function.
// What leaves: the user function's messages as raw bytes, gRPC status errors that the user function itself
// stated, and typed errors ([ErrUnavailable], [ErrNoRoom], [ErrClosed]) for everything that happened on the way.
//
// The package never decodes entity or action messages, never decides what a failure means for an entity, and never
// retries a call that the user function may have seen.
//
// # Room
//
// A user function limits how many HTTP/2 streams it takes on one connection, and every active entity instance is one
// stream. So connections form three lanes that never wait for each other: the control lane (discovery and error
// reports), the call lane (unary actions) and the stream lane (entities and streamed actions). Each lane opens
// connections as its streams need them, up to a limit, and closes those that nobody needs any more.
//
// The limit of a connection is learnt by watching the SETTINGS frames that the user function sends; it may change at
// any time. A stream that was about to open when its connection lost the room for it, or that the user function
// refused without having looked at it, moves to another connection without its owner noticing.
//
// # Another user function
//
// After the user function was lost, calls and streams wait until the owner has asked the next one what it serves, and
// admitted it ([Pool.Disconnected], [Pool.Discover], [Pool.Admit]). A restart that is faster than the proxy notices it is
// recognised by the sockets of the old connections; what that rests on, and what it does not cover, is told in gate.go.
package userfunction
