package cassandra_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	server "github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
)

// patience bounds what a loaded machine may take.
const patience = 4 * time.Minute

// shared is the one node that most tests use, each with a keyspace of its own. It starts
// with the first test that wants it.
var shared struct {
	once    sync.Once
	cluster *server.Cluster
	err     error
}

func TestMain(m *testing.M) {
	journaltest.Victim(openAt)
	journaltest.Contender(newContest)
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.Close(); err != nil && code == 0 {
			code = 1
		}
	}
	os.Exit(code)
}

func node(t testing.TB) *server.Cluster {
	t.Helper()
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		shared.cluster, shared.err = server.Start(ctx, server.Options{})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// fresh returns options for an empty keyspace of c that has the schema.
func fresh(t testing.TB, c *server.Cluster, with ...func(*cassandra.Options)) cassandra.Options {
	t.Helper()
	ctx := within(t)
	keyspace, err := c.NewKeyspace(ctx)
	if err != nil {
		t.Fatal(err)
	}
	o := cassandra.Options{Hosts: c.Addresses(), Port: c.Port(), Keyspace: keyspace, Username: c.Username(), Password: c.Password()}
	for _, w := range with {
		w(&o)
	}
	if err := cassandra.Migrate(ctx, o); err != nil {
		t.Fatal(err)
	}
	return o
}

func open(t testing.TB, o cassandra.Options) *cassandra.Store {
	t.Helper()
	s, err := cassandra.Open(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// raw is a session that writes what no store would.
func raw(t testing.TB, c *server.Cluster, o cassandra.Options) *gocql.Session {
	t.Helper()
	config := c.Config()
	config.Keyspace = o.Keyspace
	config.Consistency = gocql.Quorum
	session, err := config.CreateSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close(session) })
	return session
}

// owner is a store with a lease and a claimed shard.
type owner struct {
	testing.TB
	*cassandra.Store
	fence journal.Fence
}

// own has a new holder claim shard through s, after ending its holder's lease.
func own(t testing.TB, s *cassandra.Store, name string, shard journal.Shard) owner {
	t.Helper()
	ctx := within(t)
	h := journal.Holder(name)
	if err := s.BeginLease(ctx, h, time.Second); err != nil {
		t.Fatal(err)
	}
	was, err := s.ReadOwner(ctx, shard)
	if err != nil {
		t.Fatal(err)
	}
	if was.Holder != "" {
		l, _, err := s.ReadLease(ctx, was.Holder)
		if err == nil {
			err = s.EndLease(ctx, was.Holder, l.Beat)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := s.Claim(ctx, shard, was.Token, h)
	if err != nil {
		t.Fatal(err)
	}
	return owner{t, s, f}
}

func entries(payloads ...string) []journal.Entry {
	list := make([]journal.Entry, len(payloads))
	for i, p := range payloads {
		list[i].Payload = []byte(p)
	}
	return list
}

func (o owner) append(id journal.EntityID, expected uint64, payloads ...string) {
	o.Helper()
	if err := o.Append(within(o), o.fence, id, expected, entries(payloads...)); err != nil {
		o.Fatal(err)
	}
}

// texts reads all events of id behind after.
func texts(t testing.TB, s *cassandra.Store, id journal.EntityID, after uint64) []string {
	t.Helper()
	var list []string
	for {
		recs, more, err := s.Read(within(t), id, after, journal.Chunk{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			after = r.Seq
			list = append(list, string(r.Payload))
		}
		if !more {
			return list
		}
	}
}
