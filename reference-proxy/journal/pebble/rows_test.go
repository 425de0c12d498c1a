package pebble

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// TestDamagedRows: rows that Pebble holds intact, but that are not what was written,
// are damage of the entity that they belong to, named with it, and no other's.
func TestDamagedRows(t *testing.T) {
	ctx := context.Background()
	hurt := journal.EntityID{Namespace: "hurt", Key: "a"}
	well := journal.EntityID{Namespace: "well", Key: "b"}
	readEvents := func(s *Store) error { _, _, err := s.Read(ctx, hurt, 0, journal.Chunk{}); return err }
	readSnapshot := func(s *Store) error { _, _, err := s.LatestSnapshot(ctx, hurt); return err }
	readValue := func(s *Store) error { _, err := s.GetValue(ctx, hurt); return err }
	readBehind := func(s *Store) error { _, _, err := s.Read(ctx, hurt, 1, journal.Chunk{}); return err }
	appendMore := func(s *Store) error {
		f, err := own(ctx, s, 1)
		if err != nil {
			return err
		}
		return s.Append(ctx, f, hurt, 3, entriesOf("four"))
	}
	move := func(t *testing.T, db *pebble.DB, from, to []byte) {
		row, closer, err := db.Get(from)
		if err != nil {
			t.Fatal(err)
		}
		defer closer.Close()
		if err := db.Set(to, row, pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, db *pebble.DB, key []byte) {
		if err := db.Delete(key, pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	set := func(t *testing.T, db *pebble.DB, key []byte, row string) {
		if err := db.Set(key, []byte(row), pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	setRowOf := func(t *testing.T, db *pebble.DB, key []byte, body string) {
		row := make([]byte, rowSize([]byte(body)))
		putRow(row, key, []byte(body))
		set(t, db, key, string(row))
	}
	for name, c := range map[string]struct {
		hurt func(t *testing.T, db *pebble.DB)
		meet func(s *Store) error
		say  string
	}{
		"event of another place":  {func(t *testing.T, db *pebble.DB) { move(t, db, eventKey(hurt, 1), eventKey(hurt, 2)) }, readEvents, "event 2"},
		"event of another entity": {func(t *testing.T, db *pebble.DB) { move(t, db, eventKey(well, 2), eventKey(hurt, 2)) }, readEvents, "checksum"},
		"event overwritten":       {func(t *testing.T, db *pebble.DB) { set(t, db, eventKey(hurt, 3), "garbage") }, readEvents, "event 3"},
		"last event overwritten":  {func(t *testing.T, db *pebble.DB) { set(t, db, eventKey(hurt, 3), "garbage") }, appendMore, "event 3"},
		"event cut short":         {func(t *testing.T, db *pebble.DB) { set(t, db, eventKey(hurt, 3), "gar") }, readEvents, "short"},
		"first event gone":        {func(t *testing.T, db *pebble.DB) { remove(t, db, eventKey(hurt, 1)) }, readEvents, "event 1 is missing, the next is 2"},
		"middle event gone":       {func(t *testing.T, db *pebble.DB) { remove(t, db, eventKey(hurt, 2)) }, readEvents, "event 2 is missing, the next is 3"},
		"last event gone":         {func(t *testing.T, db *pebble.DB) { remove(t, db, eventKey(hurt, 3)) }, readSnapshot, "snapshot of event 3"},
		"odd key":                 {func(t *testing.T, db *pebble.DB) { set(t, db, append(eventKey(hurt, 3), 0), "row") }, readEvents, "not a key"},
		"snapshot overwritten":    {func(t *testing.T, db *pebble.DB) { set(t, db, entityKey(kindSnapshot, hurt), "garbage") }, readSnapshot, "snapshot"},
		"snapshot of another": {func(t *testing.T, db *pebble.DB) {
			move(t, db, entityKey(kindSnapshot, well), entityKey(kindSnapshot, hurt))
		}, readSnapshot, "checksum"},
		"value overwritten": {func(t *testing.T, db *pebble.DB) { set(t, db, entityKey(kindValue, hurt), "") }, readValue, "value"},
		"note cut short": {func(t *testing.T, db *pebble.DB) {
			remove(t, db, eventKey(hurt, 3))
			setRowOf(t, db, notedKey(hurt, 3), "\x05note")
		}, readEvents, "event 3"},
		"note of nothing": {func(t *testing.T, db *pebble.DB) {
			remove(t, db, eventKey(hurt, 3))
			setRowOf(t, db, notedKey(hurt, 3), "\x00note")
		}, readEvents, "event 3"},
		"event there twice": {func(t *testing.T, db *pebble.DB) { setRowOf(t, db, notedKey(hurt, 2), "\x01note") }, readEvents, "event 3 is missing, the next is 2"},
		"value's note cut short": {func(t *testing.T, db *pebble.DB) {
			setRowOf(t, db, entityKey(kindValue, hurt), "\x80\x00\x00\x00\x00\x00\x00\x01\x05note")
		}, readValue, "value"},
		"prune mark overwritten": {func(t *testing.T, db *pebble.DB) {
			remove(t, db, eventKey(hurt, 1))
			set(t, db, entityKey(kindPruned, hurt), "garbage")
		}, readEvents, "prune mark"},
		"pruned too little": {func(t *testing.T, db *pebble.DB) {
			remove(t, db, eventKey(hurt, 1))
			remove(t, db, eventKey(hurt, 2))
			setRowOf(t, db, entityKey(kindPruned, hurt), string(numberOf(1)))
		}, readBehind, "event 2 is missing, the next is 3"},
		"value that is an event": {func(t *testing.T, db *pebble.DB) { move(t, db, eventKey(hurt, 1), entityKey(kindValue, hurt)) }, readValue, "value"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)}
			s, err := Open("data", o)
			if err != nil {
				t.Fatal(err)
			}
			f, err := own(ctx, s, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []journal.EntityID{hurt, well} {
				_, err := s.PutValue(ctx, f, id, 0, journal.Entry{Payload: []byte("value")})
				err = errors.Join(err,
					s.Append(ctx, f, id, 0, entriesOf("one", "two", "three")),
					s.SaveSnapshot(ctx, f, id, journal.Snapshot{Seq: 3, Payload: []byte("state")}))
				if err != nil {
					t.Fatal(err)
				}
			}
			c.hurt(t, s.db)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s, err = Open("data", o); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			err = c.meet(s)
			var detail *journal.CorruptError
			if !errors.Is(err, journal.ErrCorrupt) || !errors.As(err, &detail) || detail.ID != hurt || detail.Path != "data" {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), c.say) {
				t.Errorf("the message lacks %q: %v", c.say, err)
			}
			if _, err := s.Verify(ctx); !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("verify: %v", err)
			}
			if recs, _, err := s.Read(ctx, well, 0, journal.Chunk{}); len(recs) != 3 || err != nil {
				t.Errorf("the other entity: %d events, %v", len(recs), err)
			}
		})
	}
}

// TestVerifyPruned: what only Verify looks at.
func TestVerifyPruned(t *testing.T) {
	ctx := context.Background()
	id := journal.EntityID{Namespace: "n", Key: "k"}
	for name, c := range map[string]struct {
		hurt func(t *testing.T, s *Store) error
		say  string // "": all is well
	}{
		"unhurt": {func(*testing.T, *Store) error { return nil }, ""},
		"snapshot gone": {func(_ *testing.T, s *Store) error {
			return s.db.Delete(entityKey(kindSnapshot, id), pebble.Sync)
		}, "pruned through 2, but the snapshot is of event 0"},
		"an event came back": {func(_ *testing.T, s *Store) error {
			b := s.db.NewBatch()
			defer b.Close()
			return errors.Join(setRow(b, eventKey(id, 2), []byte("two")), s.db.Apply(b, pebble.Sync))
		}, "event 2 is there"},
		"the next event gone": {func(_ *testing.T, s *Store) error {
			return s.db.Delete(eventKey(id, 3), pebble.Sync)
		}, "event 3 is missing, the next is 4"},
		"the mark gone": {func(_ *testing.T, s *Store) error {
			return s.db.Delete(entityKey(kindPruned, id), pebble.Sync)
		}, "event 1 is missing, the next is 3"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open("data", Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			f, err := own(ctx, s, 1)
			if err == nil {
				err = s.Append(ctx, f, id, 0, entriesOf("one", "two", "three", "four"))
			}
			if err == nil {
				err = s.SaveSnapshot(ctx, f, id, journal.Snapshot{Seq: 2, Payload: []byte("state")})
			}
			if err == nil {
				err = s.Prune(ctx, f, id, 2)
			}
			if err == nil {
				err = c.hurt(t, s)
			}
			if err != nil {
				t.Fatal(err)
			}
			found, err := s.Verify(ctx)
			if c.say == "" {
				if err != nil || found != (Summary{Events: 2, Snapshots: 1, Shards: 1, Pruned: 1}) {
					t.Fatalf("%+v, %v", found, err)
				}
				return
			}
			if !errors.Is(err, journal.ErrCorrupt) || !strings.Contains(err.Error(), c.say) {
				t.Fatalf("got %v, want %q", err, c.say)
			}
		})
	}
}

// TestSizeOfRows: an event without a note takes what it took in format 1.
func TestSizeOfRows(t *testing.T) {
	id := journal.EntityID{Namespace: "cart", Key: "1"}
	s, err := Open("data", Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	size := func(e journal.Entry) int {
		b := s.db.NewBatch()
		defer b.Close()
		empty := b.Len()
		if err := setEvent(b, eventKey(id, 7), e); err != nil {
			t.Fatal(err)
		}
		return b.Len() - empty
	}
	payload := make([]byte, 50)
	// Pebble's own three bytes, the key, the checksum, the payload.
	if got, want := size(journal.Entry{Payload: payload}), 3+len(eventKey(id, 7))+sumBytes+len(payload); got != want {
		t.Errorf("an event of %d bytes takes %d, want %d", len(payload), got, want)
	}
	if plain, with := size(journal.Entry{Payload: payload}), size(journal.Entry{Payload: payload, Note: []byte("note")}); with != plain+4+2 {
		t.Errorf("a note of 4 bytes costs %d", with-plain)
	}
}

// TestDamagedTokens: a store that does not know its newest tokens does not open.
func TestDamagedTokens(t *testing.T) {
	ctx := context.Background()
	for name, row := range map[string]string{"garbage": "garbage", "empty": "", "zero": "\x00\x00\x00\x00\x00\x00\x00\x00"} {
		t.Run(name, func(t *testing.T) {
			o := Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)}
			s, err := Open("data", o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := own(ctx, s, 7); err != nil {
				t.Fatal(err)
			}
			key := fenceKey(7)
			if name == "zero" {
				b := make([]byte, rowSize([]byte(row)))
				putRow(b, key, []byte(row))
				row = string(b)
			}
			if err := errors.Join(s.db.Set(key, []byte(row), pebble.Sync), s.Close()); err != nil {
				t.Fatal(err)
			}
			if _, err = Open("data", o); !errors.Is(err, journal.ErrCorrupt) || !strings.Contains(err.Error(), "shard 7") {
				t.Fatalf("got %v", err)
			}
		})
	}
}

// own claims shard for a holder that has just begun its lease, whoever has it.
func own(ctx context.Context, s *Store, shard journal.Shard) (journal.Fence, error) {
	o, err := s.ReadOwner(ctx, shard)
	if err != nil {
		return journal.Fence{}, err
	}
	l, _, err := s.ReadLease(ctx, o.Holder)
	if err != nil {
		return journal.Fence{}, err
	}
	if err := s.EndLease(ctx, o.Holder, l.Beat); err != nil {
		return journal.Fence{}, err
	}
	h := journal.Holder(rand.Text())
	if err := s.BeginLease(ctx, h, time.Second); err != nil {
		return journal.Fence{}, err
	}
	return s.Claim(ctx, shard, o.Token, h)
}

func entriesOf(payloads ...string) []journal.Entry {
	var out []journal.Entry
	for _, p := range payloads {
		out = append(out, journal.Entry{Payload: []byte(p)})
	}
	return out
}
