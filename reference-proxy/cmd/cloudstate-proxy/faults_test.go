package main

import (
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
)

// twoOwners is a trial of two proxies that both own the same entities, for all they know: each is stopped again and again for
// longer than its lease, while the other takes over, and goes on where it was; some are killed.
func twoOwners(where, program string, d *testbed, length time.Duration) trial {
	return trial{
		what: "two owners on " + where, program: program, seed: faultSeed(), length: length, database: d, reads: 50,
		proxies: pausesAndKills, calm: 1200 * time.Millisecond, changesHands: true,
	}
}

// claimers is twoOwners with proxies that do not wait for each other's leases: each takes what it needs from the other, who goes on
// writing in good faith. Writes must be safe all the same, whatever leases and clocks say; reads cannot be, so there are none.
func claimers(where, program string, d *testbed, length time.Duration) trial {
	tr := twoOwners(where+", claiming at will", program, d, length)
	tr.reads, tr.calm = 0, 3*time.Second
	return tr
}

// faultsOf is a trial of two proxies on a database, all of which is killed, stopped, cut off and slowed down.
func faultsOf(t *testing.T, where string, d *testbed, length time.Duration) trial {
	t.Helper()
	return trial{
		what: "faults on " + where, program: theProgram(t), seed: faultSeed(), length: length, database: d, reads: 30,
		proxies: pausesAndKills, calm: 4 * time.Second, disturbDatabase: true,
	}
}

func judge(t *testing.T, tr trial) {
	t.Helper()
	for _, f := range tr.run(t) {
		t.Error(f)
	}
}

// TestFaultsOnPostgres has several owners, and every fault of theirs, of the server and of the links between, under load: nothing acknowledged is
// lost, nothing is there twice, no answer is out of date, who is refused may try again, and all comes back by itself (ES-20, ES-54, VE-13, VE-38,
// SERV-55). make certify runs each for minutes.
func TestFaultsOnPostgres(t *testing.T) {
	t.Parallel()
	server := postgres.Run(t, postgres.Options{})
	t.Run("two owners", func(t *testing.T) {
		judge(t, twoOwners("PostgreSQL", theProgram(t), onPostgres(t, server, false), faultLength(12)))
	})
	t.Run("claimers", func(t *testing.T) {
		judge(t, claimers("PostgreSQL", edited(t, "claims-at-will"), onPostgres(t, server, false), faultLength(4)))
	})
	t.Run("all", func(t *testing.T) {
		judge(t, faultsOf(t, "PostgreSQL", onPostgres(t, server, true), faultLength(12)))
	})
	t.Run("a paused owner's answers are caught", func(t *testing.T) {
		tr := twoOwners("PostgreSQL, answering without a lease", edited(t, "answers-without-lease"), onPostgres(t, server, false), 5*time.Second)
		tr.reads = 80 // a write would tell it
		bites(t, tr, "not linearizable")
	})
}

// TestFaultsOnCassandra is the same on a Cassandra of one node, or of three, each of which is killed, stopped and cut off in turn, from its
// peers, from clients and from both.
func TestFaultsOnCassandra(t *testing.T) {
	t.Parallel()
	nodes := cassandraNodes(t)
	options := cassandra.Options{Nodes: nodes}
	if nodes == 3 {
		options.HeapMB, options.Namespaces = 320, true
	}
	cluster := cassandra.Run(t, options)
	tablesIn(t, cluster)
	t.Run("two owners", func(t *testing.T) {
		judge(t, twoOwners("Cassandra", theProgram(t), onCassandra(t, cluster, false), faultLength(10)))
	})
	t.Run("claimers", func(t *testing.T) {
		judge(t, claimers("Cassandra", edited(t, "claims-at-will"), onCassandra(t, cluster, false), faultLength(5)))
	})
	t.Run("all", func(t *testing.T) {
		judge(t, faultsOf(t, "Cassandra", onCassandra(t, cluster, nodes == 1), faultLength(10)))
	})
	t.Run("an unconfirmed write is caught", func(t *testing.T) {
		bites(t, claimers("Cassandra, without confirmation", edited(t, "claims-at-will", "unconfirmed"), onCassandra(t, cluster, false), 5*time.Second),
			"is gone", "not linearizable")
	})
}
