package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	cassandraserver "github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/cluster"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/archive"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
	pgstore "github.com/stateful-serverless/cloudstate/reference-proxy/journal/postgres"
)

// everyPair moves what each store has into each, and what comes out there is the same.
func everyPair(t *testing.T, database string, cass *cassandraserver.Cluster) {
	ctx := t.Context()
	keyspace, err := cass.NewKeyspace(ctx)
	if err != nil {
		t.Fatal(err)
	}
	o := cassandra.Options{Hosts: cass.Addresses(), Port: cass.Port(), Keyspace: keyspace, Username: cass.Username(), Password: cass.Password(), BucketRecords: 3}
	if err := cassandra.Migrate(ctx, o); err != nil {
		t.Fatal(err)
	}
	stores := map[string]journal.Store{"memory": memory.New()}
	embedded, err1 := pebble.Open(t.TempDir(), pebble.Options{})
	relational, err2 := pgstore.Open(ctx, pgstore.Options{URL: database, AutoMigrate: true})
	wide, err3 := cassandra.Open(ctx, o)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	stores["embedded"], stores["postgres"], stores["cassandra"] = embedded, relational, wide
	owners := map[string]*cluster.Local{}
	for name, s := range stores {
		owners[name] = cluster.NewLocal(cluster.Config{Store: s})
		fillFrom(t, name, s, owners[name])
	}
	defer func() {
		for name, s := range stores {
			owners[name].Close()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	for from, source := range stores {
		stream := exported(t, source, from)
		want := entitiesIn(t, stream)
		if len(want) != 7 {
			t.Fatalf("%s: %d entities", from, len(want))
		}
		for to, target := range stores {
			done, err := archive.Import(ctx, archive.NewReader(strings.NewReader(stream)), target, owners[to], func(e *archive.RefusedError) {
				t.Errorf("%s to %s: %v", from, to, e)
			})
			if err != nil || from == to && done.Written > 0 || from != to && done.Present > 0 {
				t.Errorf("%s to %s: %+v, %v", from, to, done, err)
			}
			if got := entitiesIn(t, exported(t, target, from)); !maps.Equal(got, want) {
				t.Errorf("%s to %s:\n got %q\nwant %q", from, to, got, want)
			}
		}
	}
}

// fillFrom gives a store entities of every sort, all of the persistence id name.
func fillFrom(t *testing.T, name string, s journal.Store, owner *cluster.Local) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i, key := range []string{"plain", "pruned", "all pruned", "value", "noted", "\x00\xff%/", "long"} {
		id := journal.EntityID{Namespace: name, Key: key}
		f, err := owner.Fence(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		events := uint64(4)
		if key == "long" {
			events = 60
		}
		if key == "value" {
			_, err = s.PutValue(ctx, f, id, 0, journal.Entry{Payload: []byte("state"), Note: []byte("note")})
			events = 0
		}
		for n := range events {
			e := journal.Entry{Payload: fmt.Appendf(nil, "%s %d", name, n)}
			if key == "noted" {
				e.Note = []byte{0, byte(n)}
			}
			err = errors.Join(err, s.Append(ctx, f, id, n, []journal.Entry{e}))
		}
		if through := map[string]uint64{"pruned": 2, "all pruned": 4, "long": 41}[key]; through > 0 {
			err = errors.Join(err, s.SaveSnapshot(ctx, f, id, journal.Snapshot{Seq: through, Payload: []byte("snapshot")}), s.Prune(ctx, f, id, through))
		}
		if err != nil {
			t.Fatalf("%s, entity %d: %v", name, i, err)
		}
	}
}

func exported(t *testing.T, from journal.Store, persistenceID string) string {
	t.Helper()
	var to bytes.Buffer
	w, err := archive.NewWriter(&to, "test", time.Now())
	if err == nil {
		_, err = archive.Export(t.Context(), from, archive.Selection{Namespace: &persistenceID}, w, func(err error) { t.Error(err) })
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return to.String()
}

// entitiesIn is what a stream says of each entity.
func entitiesIn(t *testing.T, stream string) map[journal.EntityID]string {
	t.Helper()
	all := map[journal.EntityID]string{}
	var at journal.EntityID
	for r := archive.NewReader(strings.NewReader(stream)); ; {
		it, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		case it.Entity != nil:
			at = it.Entity.ID
			all[at] += fmt.Sprintf("behind %d: ", it.Entity.Pruned)
		case it.Event != nil:
			all[at] += fmt.Sprintf("%d=%s(%x) ", it.Event.Seq, it.Event.Payload, it.Event.Note)
		case it.Snapshot != nil:
			all[at] += fmt.Sprintf("state %d %s ", it.Snapshot.Seq, it.Snapshot.Payload)
		case it.Value != nil:
			all[at] += fmt.Sprintf("value %s(%x) ", it.Value.Payload, it.Value.Note)
		}
	}
}
