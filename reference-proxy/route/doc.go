// Package route takes a call to the entity kind that serves it, runs the side
// effects and forwards of its outcome, and brings the reply back.
//
// What enters: calls from package serve, as the method and the request's bytes.
// What leaves: commands for package entity/driver, and for each call its replies or
// one error, which is an [entity.Fault], a [*StatedFailure], a [*TargetError], one
// of this package's sentinels, a key error of package discovery, a context's error
// or the user function's own gRPC status. It never picks a status code: package
// serve does.
package route
