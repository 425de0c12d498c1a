// Package discovery is the proxy's first room: it learns what the user function serves and whether the proxy can serve it.
//
// What enters: the user function's answer to discover (an EntitySpec: a serialized FileDescriptorSet, the entities and the
// service info) and, on the hot path, the wire bytes of a request message.
//
// What leaves: a Function (immutable: the descriptors in a registry of their own, the services and methods to serve, an
// entity key extractor for each method that needs one), or the list of Problems that tell the user function's author what is
// wrong, where, and how to mend it; and, on the hot path, the entity key of a request.
//
// What it never does: it never opens a connection (its UserFunction interface is implemented by another room), never chooses
// a gRPC status, never decodes a message to find its key, never mixes the user function's descriptors with the ones that are
// linked into the proxy, and never panics on what a user function sent.
package discovery
