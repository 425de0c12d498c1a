package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// TestDamage removes rows behind the store's back. What is left is not served as if it were all, the
// message names entity and event, and other entities go on.
func TestDamage(t *testing.T) {
	ctx := within(t)
	key := keyOf(cart)
	for _, c := range []struct {
		name string
		sql  string // $1 is the entity
		do   func(*Store, journal.Fence) error
		say  string
	}{
		{
			"an event in the middle", "DELETE FROM events WHERE entity = $1 AND seq = 5",
			func(s *Store, _ journal.Fence) error { _, _, err := s.Read(ctx, cart, 0, journal.Chunk{}); return err },
			"event 5 is missing, the next is 6",
		},
		{
			"the event after a chunk", "DELETE FROM events WHERE entity = $1 AND seq = 5",
			func(s *Store, _ journal.Fence) error {
				_, _, err := s.Read(ctx, cart, 0, journal.Chunk{Records: 4})
				return err
			},
			"event 5 is missing, the next is 6",
		},
		{
			"the first event of a chunk", "DELETE FROM events WHERE entity = $1 AND seq IN (5, 6)",
			func(s *Store, _ journal.Fence) error { _, _, err := s.Read(ctx, cart, 4, journal.Chunk{}); return err },
			"event 5 is missing, the next is 7",
		},
		{
			"more events than a chunk holds", "DELETE FROM events WHERE entity = $1 AND seq BETWEEN 3 AND 8",
			func(s *Store, _ journal.Fence) error {
				_, _, err := s.Read(ctx, cart, 2, journal.Chunk{Records: 2})
				return err
			},
			"event 3 is missing, the next is 9",
		},
		{
			"the first event", "DELETE FROM events WHERE entity = $1 AND seq = 1",
			func(s *Store, _ journal.Fence) error { _, _, err := s.Read(ctx, cart, 0, journal.Chunk{}); return err },
			"event 1 is missing, the next is 2",
		},
		{
			"the events that a snapshot stands on", "DELETE FROM events WHERE entity = $1 AND seq > 7",
			func(s *Store, _ journal.Fence) error { _, _, err := s.LatestSnapshot(ctx, cart); return err },
			"there is a snapshot of event 8, but not the event",
		},
		{
			"the entity's row", "DELETE FROM entities WHERE entity = $1",
			func(s *Store, f journal.Fence) error { return s.Prune(ctx, f, cart, 8) },
			"row in the table entities is missing",
		},
		{
			"a value's version", "UPDATE vals SET version = 0 WHERE entity = $1",
			func(s *Store, _ journal.Fence) error { _, err := s.GetValue(ctx, cart); return err },
			"version 0",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, fresh(database(t)))
			f := claim(t, s, 1, "me")
			other := journal.EntityID{Namespace: "cart", Key: "other"}
			for _, id := range []journal.EntityID{cart, other} {
				if err := s.Append(ctx, f, id, 0, entries("1", "2", "3", "4", "5", "6", "7", "8", "9")); err != nil {
					t.Fatal(err)
				}
				if _, err := s.PutValue(ctx, f, id, 0, entries("v")[0]); err != nil {
					t.Fatal(err)
				}
				if err := s.SaveSnapshot(ctx, f, id, journal.Snapshot{Seq: 8}); err != nil {
					t.Fatal(err)
				}
			}
			conn := connect(t, s.options.URL)
			execSQL(t, conn, "SET search_path TO "+s.options.Schema)
			execSQL(t, conn, c.sql, key[:])
			var damage *journal.CorruptError
			if err := c.do(s, f); !errors.As(err, &damage) || damage.ID != cart || !strings.Contains(err.Error(), c.say) {
				t.Fatalf("got %v, want %q", err, c.say)
			}
			if recs, _, err := s.Read(ctx, other, 0, journal.Chunk{}); err != nil || len(recs) != 9 {
				t.Errorf("another entity: %d events, %v", len(recs), err)
			}
		})
	}
}

// TestPruneOfALongHistory goes in steps, and goes on where an earlier one stopped.
func TestPruneOfALongHistory(t *testing.T) {
	s := open(t, fresh(database(t)))
	ctx := within(t)
	f := claim(t, s, 1, "me")
	const events = 2*pruneStep + 500
	if err := s.Append(ctx, f, cart, 0, make([]journal.Entry, events)); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveSnapshot(ctx, f, cart, journal.Snapshot{Seq: events}); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, s.options.URL)
	count := func() int { return ask[int](t, conn, "SELECT count(*) FROM "+s.options.Schema+".events") }
	if _, err := s.guarded(ctx, f, cart, s.sql.prune, false, int64(events), int64(pruneStep)); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != events-pruneStep {
		t.Fatalf("%d events after the first step", n)
	}
	var pruned *journal.PrunedError
	if _, _, err := s.Read(ctx, cart, 1, journal.Chunk{}); !errors.As(err, &pruned) || pruned.Through != pruneStep {
		t.Fatalf("a read of what was pruned: %v", err)
	}
	if err := s.Prune(ctx, f, cart, events); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 0 {
		t.Fatalf("%d events are left", n)
	}
	if err := s.Append(ctx, f, cart, events, entries("next")); err != nil {
		t.Fatal(err)
	}
}

// TestServerErrors has the server answer an append with every error that is told apart.
func TestServerErrors(t *testing.T) {
	for _, c := range []struct {
		code string
		want error
		say  string
	}{
		{codeDiskFull, journal.ErrFull, "make room"},
		{"53200", journal.ErrUnavailable, ""},
		{codeCancelled, journal.ErrUnavailable, "time-out"},
		{codeLockTimeout, journal.ErrUnavailable, "time-out"},
		{codeDamagedData, journal.ErrCorrupt, `"bad"`},
		{codeDamagedIndex, journal.ErrCorrupt, `"bad"`},
		{"22000", journal.ErrUnavailable, "22000"},
	} {
		t.Run(c.code, func(t *testing.T) {
			s := open(t, fresh(database(t)))
			ctx := within(t)
			f := claim(t, s, 1, "me")
			raise(t, s, c.code, 1<<30)
			bad := journal.EntityID{Namespace: "n", Key: "bad"}
			errs := s.run([]*change{
				{kind: appendEvents, fence: f, id: cart, key: keyOf(cart), entries: entries("good")},
				{kind: appendEvents, fence: f, id: bad, key: keyOf(bad), entries: entries("bad")},
			})
			if !errors.Is(errs[1], c.want) || !journal.NotWritten(errs[1]) || !strings.Contains(errs[1].Error(), c.say) {
				t.Errorf("got %v, want %v with %q", errs[1], c.want, c.say)
			}
			// What is wrong with the server is wrong for all; what is wrong with one entity is not.
			if shared := c.code == codeDiskFull || c.code == codeCancelled || c.code == codeLockTimeout; shared != (errs[0] != nil) {
				t.Errorf("the other append of the group: %v", errs[0])
			}
			if recs, _, err := s.Read(ctx, bad, 0, journal.Chunk{}); err != nil || recs != nil {
				t.Errorf("%d events were written, %v", len(recs), err)
			}
		})
	}
	for _, code := range []string{codeSerialization, codeDeadlock} {
		t.Run("tried again after "+code, func(t *testing.T) {
			s := open(t, fresh(database(t)))
			f := claim(t, s, 1, "me")
			raise(t, s, code, 3)
			if err := s.Append(within(t), f, cart, 0, entries("bad")); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestOneByOneEndsWithTheServer: a group is carried out one by one after the server refused it, until the server fails
// at one. Else each of hundreds would wait for the time-out in turn.
func TestOneByOneEndsWithTheServer(t *testing.T) {
	s := open(t, fresh(database(t)))
	ctx := within(t)
	f := claim(t, s, 1, "me")
	s.options.Timeout = 2 * time.Second
	conn := connect(t, s.options.URL)
	execSQL(t, conn, "SET search_path TO "+s.options.Schema)
	execSQL(t, conn, "CREATE SEQUENCE tries")
	execSQL(t, conn, fmt.Sprintf(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF nextval('%s.tries') = 1 THEN RAISE EXCEPTION 'asked for' USING ERRCODE = '22000'; END IF;
		PERFORM pg_sleep(3600);
		RETURN NEW; END $$`, s.options.Schema))
	execSQL(t, conn, "CREATE TRIGGER fail BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION fail()")
	var changes []*change
	for i := range 6 {
		id := journal.EntityID{Namespace: "n", Key: fmt.Sprint(i)}
		changes = append(changes, &change{kind: appendEvents, fence: f, id: id, key: keyOf(id), entries: entries("x")})
	}
	errs := s.run(changes)
	if errs[0] == nil {
		t.Error("the write that the server failed at was acknowledged")
	}
	for i, err := range errs[1:] {
		if !errors.Is(err, journal.ErrUnavailable) || !journal.NotWritten(err) {
			t.Errorf("write %d: %v", i+1, err)
		}
	}
	if n := ask[int](t, conn, "SELECT last_value FROM tries"); n != 2 {
		t.Errorf("the server was tried %d times, want the group and the first", n)
	}
	if list, _, err := s.List(ctx, "", 10); err != nil || list != nil {
		t.Errorf("%v was written, %v", list, err)
	}
}

// raise makes the server answer the first so many inserts of an event "bad" with an error.
func raise(t *testing.T, s *Store, code string, times int) {
	t.Helper()
	conn := connect(t, s.options.URL)
	execSQL(t, conn, "SET search_path TO "+s.options.Schema)
	execSQL(t, conn, "CREATE SEQUENCE raised") // counts what was rolled back, too
	execSQL(t, conn, fmt.Sprintf(`CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.payload = 'bad' AND nextval('%s.raised') <= %d THEN RAISE EXCEPTION 'asked for' USING ERRCODE = '%s'; END IF;
		RETURN NEW; END $$`, s.options.Schema, times, code))
	execSQL(t, conn, "CREATE TRIGGER raise BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION raise()")
}

// TestLargestWrites: what journal admits, PostgreSQL takes: a write of 64 MiB in one event, and a
// hundred thousand empty events.
func TestLargestWrites(t *testing.T) {
	o := fresh(database(t))
	o.Timeout = patience
	s := open(t, o)
	ctx, cancel := context.WithTimeout(context.Background(), o.Timeout)
	defer cancel()
	f := claim(t, s, 1, "me")
	one := journal.Entry{Payload: bytes.Repeat([]byte{0xff}, journal.MaxWriteBytes)}
	last := uint64(0)
	for _, events := range [][]journal.Entry{{one}, make([]journal.Entry, 100_000)} {
		if err := s.Append(ctx, f, cart, last, events); err != nil {
			t.Fatalf("%d events: %.500v", len(events), err)
		}
		last += uint64(len(events))
	}
	if _, err := s.PutValue(ctx, f, cart, 0, one); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveSnapshot(ctx, f, cart, journal.Snapshot{Seq: last, Payload: one.Payload}); err != nil {
		t.Fatal(err)
	}
	recs, more, err := s.Read(ctx, cart, 0, journal.Chunk{})
	if err != nil || !more || len(recs) != 1 || len(recs[0].Payload) != journal.MaxWriteBytes {
		t.Fatalf("%d events, more %v, %v", len(recs), more, err)
	}
	for after := uint64(1); ; {
		recs, more, err := s.Read(ctx, cart, after, journal.Chunk{Records: 100_000})
		if err != nil {
			t.Fatal(err)
		}
		after += uint64(len(recs))
		if !more {
			if after != last {
				t.Fatalf("%d events, want %d", after, last)
			}
			return
		}
	}
}
