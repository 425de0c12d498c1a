// Package serve is the edge: it takes clients' gRPC calls, hands their raw bytes to
// package route, and answers with the reply or a status.
//
// What enters: connections of clients, and what to serve, as a [route.Router]. What
// leaves: calls for the router; replies, statuses, reflection and health answers for
// clients. It is the only place that chooses status codes. It never looks into a
// message.
package serve
