// Package protocols is the folder of the .proto files that proxies, support libraries and the TCK speak, and of the tests
// that hold them to the wire.
//
//   - protocol: what a proxy and a user function say to each other
//   - frontend: the options that a user function's own .proto files may use, with google.api
//   - tck: the services that a support library implements to be judged
//   - example: the services of the samples
//   - gen: the Go code generated from all of these, for anyone to import
//
// Each of the first four is an import root: cloudstate/entity.proto is imported under that name, as published libraries do.
// The package has no code. Its tests compare the files, and the generated code, with testdata/wire.json, the recorded facts
// of the original protocol, and the event sourced part with the files inside the published Java library.
package protocols
