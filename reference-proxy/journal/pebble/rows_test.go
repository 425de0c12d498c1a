package pebble

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

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
	appendMore := func(s *Store) error {
		f, err := s.Claim(ctx, 1)
		if err != nil {
			return err
		}
		return s.Append(ctx, f, hurt, 3, [][]byte{[]byte("four")})
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
		"value overwritten":      {func(t *testing.T, db *pebble.DB) { set(t, db, entityKey(kindValue, hurt), "") }, readValue, "value"},
		"value that is an event": {func(t *testing.T, db *pebble.DB) { move(t, db, eventKey(hurt, 1), entityKey(kindValue, hurt)) }, readValue, "value"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)}
			s, err := Open("data", o)
			if err != nil {
				t.Fatal(err)
			}
			f, err := s.Claim(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []journal.EntityID{hurt, well} {
				_, err := s.PutValue(ctx, f, id, 0, []byte("value"))
				err = errors.Join(err,
					s.Append(ctx, f, id, 0, [][]byte{[]byte("one"), []byte("two"), []byte("three")}),
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
			if _, err := s.Claim(ctx, 7); err != nil {
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
