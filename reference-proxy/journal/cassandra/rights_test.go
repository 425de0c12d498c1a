package cassandra_test

import (
	"errors"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
)

// rightsTaken takes rights on one table away from a store at work, so that one of the steps of a call is refused and the
// ones before it are not. o's user is proxy, which has no rights yet; admin may give and take them.
func rightsTaken(t *testing.T, o cassandra.Options, admin *gocql.Session) {
	ctx := within(t)
	change := func(cql string) {
		t.Helper()
		if err := admin.Query(cql).ExecContext(ctx); err != nil {
			t.Fatal(err)
		}
	}
	// The node remembers for two seconds what a user may do.
	until := func(refused bool, try func() error) {
		t.Helper()
		for (try() != nil) != refused {
			if ctx.Err() != nil {
				t.Fatal("the rights never changed")
			}
			wait(ctx, 50*time.Millisecond)
		}
	}
	on := func(table string) string { return " ON TABLE " + o.Keyspace + "." + table + " " }
	for _, table := range []string{"owners", "leases", "events", "snapshots", "vals", "meta"} {
		change("GRANT SELECT" + on(table) + "TO proxy")
		change("GRANT MODIFY" + on(table) + "TO proxy")
	}
	s := open(t, o)
	mayConfirm := func() error { _, _, err := s.ReadLease(ctx, "x"); return err }
	attempts := func(cql string, id journal.EntityID) (found []uint64) {
		t.Helper()
		it := admin.Query(cql, []byte(id.Namespace), []byte(id.Key)).IterContext(ctx)
		var a int64
		for it.Scan(&a) {
			found = append(found, uint64(a))
		}
		if err := it.Close(); err != nil {
			t.Fatal(err)
		}
		return found
	}

	t.Run("adoption written and not confirmed", func(t *testing.T) {
		w := own(t, s, "adopts", 1)
		journalID, valueID := entity(t), journal.EntityID{Namespace: "v", Key: t.Name()}
		change("REVOKE SELECT" + on("leases") + "FROM proxy")
		until(true, mayConfirm)
		if err := w.Adopt(ctx, w.fence, journalID, 0); !errors.Is(err, journal.ErrUnavailable) {
			t.Errorf("adopt: %v", err)
		}
		if err := w.AdoptValue(ctx, w.fence, valueID, 0); !errors.Is(err, journal.ErrUnavailable) {
			t.Errorf("adopt value: %v", err)
		}
		change("GRANT SELECT" + on("leases") + "TO proxy")
		until(false, mayConfirm)
		if err := w.Adopt(ctx, w.fence, journalID, 0); err != nil {
			t.Error(err)
		}
		if err := w.AdoptValue(ctx, w.fence, valueID, 0); err != nil {
			t.Error(err)
		}
		const record, value = "SELECT attempt FROM events WHERE ns = ? AND key = ? AND bucket = 0 AND first = 0", "SELECT attempt FROM vals WHERE ns = ? AND key = ?"
		if got := attempts(record, journalID); len(got) != 2 {
			t.Errorf("the copy that was not confirmed passes for one that is: attempts %d", got)
		}
		if got := attempts(value, valueID); len(got) != 2 {
			t.Errorf("the value's copy that was not confirmed passes for one that is: attempts %d", got)
		}
	})
	t.Run("pruned and not swept", func(t *testing.T) {
		w := own(t, s, "prunes", 2)
		id := entity(t)
		w.append(id, 0, "one")
		w.append(id, 1, "two")
		if err := w.SaveSnapshot(ctx, w.fence, id, journal.Snapshot{Seq: 1}); err != nil {
			t.Fatal(err)
		}
		change("REVOKE MODIFY" + on("events") + "FROM proxy")
		tries := uint64(0)
		until(true, func() error {
			tries++
			return w.Append(ctx, w.fence, journal.EntityID{Namespace: "other", Key: t.Name()}, tries-1, entries("x"))
		})
		err := w.Prune(ctx, w.fence, id, 1)
		if err == nil || journal.NotWritten(err) {
			t.Errorf("what is marked as pruned passes for untouched: %v", err)
		}
		if _, _, err := s.Read(ctx, id, 0, journal.Chunk{}); !errors.Is(err, journal.ErrPruned) {
			t.Errorf("read: %v", err)
		}
	})
}
