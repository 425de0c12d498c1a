// Command cloudstate-proxy is the reference proxy: it owns the state of one user
// function's entities and serves the user function's gRPC services to clients.
//
//	cloudstate-proxy --help
//
// Exit status: 0 after an orderly stop, 1 when it could not go on, 2 when a setting
// is wrong. Every way out that is not 0 says on standard error what, where and how
// to mend it.
package main
