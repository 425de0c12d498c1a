// Package proxy holds the cases that judge a proxy: the kit is the client in front of it and the user function behind it.
//
// What enters: the proxy under judgement and the mock user function that it faces, as package suite hands them over. What leaves:
// [Cases], one list in the order of SPEC.md.
//
// A case claims the entity ids that it uses, so that their streams wait for its script; every other id is answered by the TCK's
// model behaviours. Most cases share one proxy. Those that need another discovery answer, other settings, or the loss of the user
// function have a proxy of their own, since each start costs time.
//
// The cases never look into a proxy, never wait by sleeping, and never prove absence by silence: a later exchange, which could only
// be answered after the thing that must not happen, is the barrier.
package proxy
