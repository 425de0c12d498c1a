// Command bench measures the proxy against the physical floor: a bare unary grpc-go pass-through of the same two hops.
// `make bench` runs it.
//
//	client ── pass-through ── echo            the floor
//	client ── cloudstate-proxy ── bench-function
//
// What enters: the programs cloudstate-proxy and bench-function, which it runs as a user would (it imports nothing of
// ours), and the settings of the run. The floor's two processes are this program again, as `bench pass` and `bench echo`.
//
// What leaves: a table on standard output and out/bench/report.json, with every round's raw numbers. With --check the
// exit status is 1 when a target is missed.
//
// Then, for PostgreSQL and for Cassandra, on a server of its own (testserver):
//
//	test program ── driver ── database        the same rows, written and read without any promise
//	test program ── store ── database         through the journal interface
//	client ── cloudstate-proxy ── bench-function, with that store
//
// How it compares. Every measured round stands between two rounds of the floor, with the same client, callers,
// connections and message sizes; its ratio is to the mean of those two, and the reported ratio is the median over all
// rounds. So whatever else the machine does hits both sides. Beside throughput and latency it reports the processor time
// of the process in the middle, which a busy machine distorts least.
//
// The four sides of a database, the pass-through among them, take turns in an order that reads the same from both ends.
//
// What it never does: compare numbers of two runs.
package main
