package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
)

// testbed is a real server, with its tables made, and what can befall it.
type testbed struct {
	// arguments have the proxy of that number use the database, by its own link if it has one.
	arguments    func(proxy int) []string
	links        []*link
	disturbances []disturbance
}

const trialNamespace = "trial"

// restartPatience bounds how long a database takes to come up again.
const restartPatience = 4 * time.Minute

// onPostgres is a new database in a PostgreSQL. With links, each proxy has one.
func onPostgres(t *testing.T, server *postgres.Server, links bool) *testbed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	address, err := server.NewDatabase(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if code, said := command(t, nil, "store", "migrate", "--store=postgres", "--store-namespace="+trialNamespace, "--postgres-url="+address); code != 0 {
		t.Fatal(said)
	}
	d := &testbed{disturbances: []disturbance{
		{"PostgreSQL killed", func(ctx context.Context, _ *rand.Rand, d time.Duration) error {
			server.Kill()
			idle(ctx, d)
			return within(restartPatience, server.Restart)
		}},
		{"PostgreSQL paused", func(ctx context.Context, _ *rand.Rand, d time.Duration) error {
			return paused(ctx, server, d)
		}},
		{"PostgreSQL restarted", func(context.Context, *rand.Rand, time.Duration) error {
			return within(restartPatience, server.Restart)
		}},
	}}
	if links {
		for range 2 {
			d.links = append(d.links, newLink(t, net.JoinHostPort(server.Address(), strconv.Itoa(server.Port()))))
		}
	}
	d.arguments = func(proxy int) []string {
		parsed, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if links {
			parsed.Host = d.links[proxy].address()
		}
		return []string{"--store", "postgres", "--store-namespace", trialNamespace, "--postgres-url", parsed.String()}
	}
	return d
}

// tablesIn makes the tables in a Cassandra, for one trial after the other.
func tablesIn(t *testing.T, cluster *cassandra.Cluster) {
	t.Helper()
	args := append([]string{"store", "migrate", "--store-timeout=1m"}, cassandraArguments(cluster, cluster.Addresses()...)...)
	if code, said := command(t, nil, args...); code != 0 {
		t.Fatal(said)
	}
}

func cassandraArguments(cluster *cassandra.Cluster, addresses ...string) []string {
	return []string{
		"--store=cassandra", "--store-namespace=" + trialNamespace, "--cassandra-replication=" + strconv.Itoa(len(cluster.Nodes())),
		"--cassandra-port=" + strconv.Itoa(cluster.Port()), "--cassandra-hosts=" + strings.Join(addresses, ","),
	}
}

// onCassandra is a Cassandra with tables. With links, each proxy has one; that takes a Cassandra of one node, as drivers learn the
// addresses of further nodes from the first.
func onCassandra(t *testing.T, cluster *cassandra.Cluster, links bool) *testbed {
	t.Helper()
	d := &testbed{arguments: func(int) []string { return cassandraArguments(cluster, cluster.Addresses()...) }}
	if links {
		for range 2 {
			d.links = append(d.links, newLink(t, net.JoinHostPort(cluster.Addresses()[0], strconv.Itoa(cluster.Port()))))
		}
		d.arguments = func(proxy int) []string {
			host, port, err := net.SplitHostPort(d.links[proxy].address())
			if err != nil {
				t.Fatal(err)
			}
			return append(cassandraArguments(cluster, host), "--cassandra-port="+port)
		}
	}
	for i, n := range cluster.Nodes() {
		d.disturbances = append(d.disturbances, onNode(cluster, n, fmt.Sprintf("node %d", i+1), faultLength(0) >= time.Minute)...)
	}
	return d
}

func onNode(cluster *cassandra.Cluster, n *cassandra.Node, name string, long bool) []disturbance {
	is := func(what string) fault { return fault(name + " " + what) }
	all := []disturbance{
		{is("paused"), func(ctx context.Context, _ *rand.Rand, d time.Duration) error { return paused(ctx, n, d) }},
	}
	if long { // a node takes longer to start than a short trial lasts
		all = append(all, disturbance{is("killed"), func(ctx context.Context, _ *rand.Rand, d time.Duration) error {
			n.Kill()
			idle(ctx, d)
			if err := within(restartPatience, n.Restart); err != nil {
				return err
			}
			return within(restartPatience, cluster.Await)
		}})
	}
	if len(cluster.Nodes()) == 1 {
		return all
	}
	cut := func(cut ...func(context.Context) error) func(context.Context, *rand.Rand, time.Duration) error {
		return func(ctx context.Context, _ *rand.Rand, d time.Duration) error {
			for _, c := range cut {
				if err := c(context.WithoutCancel(ctx)); err != nil {
					return err
				}
			}
			idle(ctx, 2*d) // it takes the others some seconds to find out
			if err := n.Heal(context.WithoutCancel(ctx)); err != nil {
				return err
			}
			return within(restartPatience, cluster.Await)
		}
	}
	return append(all,
		disturbance{is("cut from its peers"), cut(n.CutPeers)},
		disturbance{is("cut from clients"), cut(n.CutClients)},
		disturbance{is("cut off"), cut(n.CutPeers, n.CutClients)},
	)
}

// paused stops a server for d.
func paused(ctx context.Context, s interface {
	Pause() error
	Resume() error
}, d time.Duration) error {
	if err := s.Pause(); err != nil {
		return err
	}
	idle(ctx, d)
	return s.Resume()
}

// within bounds what must be carried through, however the trial ends.
func within(limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return do(ctx)
}
