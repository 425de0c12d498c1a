package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

// format1 is a directory that version 1 of the format wrote: three entities with ten
// events each, of which the second and third have snapshots and values, an entity without
// a name, and the shards 1, claimed three times, and 900, claimed once.
const format1 = "testdata/format1"

// TestUpgrade: what format 1 wrote is there, can be worked with, and is of the present
// format afterwards, which the old version refuses.
func TestUpgrade(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(format1)); err != nil {
		t.Fatal(err)
	}
	marker := func() string {
		text, err := os.ReadFile(filepath.Join(dir, "FORMAT"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if m := marker(); m != "cloudstate-journal 1 ready\n" {
		t.Fatalf("the directory is of %q", m)
	}
	for round := range 2 { // just upgraded, and opened again
		s, err := pebble.Open(dir, options(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		if m := marker(); m != "cloudstate-journal 2 ready\n" {
			t.Fatalf("upgraded to %q", m)
		}
		checkFormat1(ctx, t, s, round)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkFormat1 looks for what is in format1, and adds to it in round 0.
func checkFormat1(ctx context.Context, t *testing.T, s *pebble.Store, round int) {
	t.Helper()
	if found, err := s.Verify(ctx); err != nil || round == 0 && found != (pebble.Summary{Events: 32, Snapshots: 2, Values: 2, Shards: 2}) {
		t.Fatalf("found %+v, %v", found, err)
	}
	if o, err := s.ReadOwner(ctx, 900); err != nil || o != (journal.Owner{Token: 1}) {
		t.Fatalf("owner of shard 900: %+v, %v", o, err)
	}
	f, err := own(ctx, s, 1)
	if err != nil || f.Token != journal.Token(4+round) {
		t.Fatalf("claim of shard 1: %+v, %v", f, err)
	}
	for e := range 3 {
		id := journal.EntityID{Namespace: "cart\x00|", Key: fmt.Sprint("entity ", e)}
		recs, _, err := s.Read(ctx, id, 5, journal.Chunk{})
		if err != nil || len(recs) != 5+round {
			t.Fatalf("%s: %d events behind the fifth, %v", id, len(recs), err)
		}
		for _, r := range recs[:5] {
			if !same(r.Entry, journal.Entry{Payload: fmt.Appendf(nil, "event %d of entity %d", r.Seq, e)}) {
				t.Fatalf("%s: event %d is %q, noted %q", id, r.Seq, r.Payload, r.Note)
			}
		}
		snap, found, err := s.LatestSnapshot(ctx, id)
		if err != nil || found != (e > 0) || found && (snap.Seq != uint64(6+e) || string(snap.Payload) != fmt.Sprintf("snapshot of entity %d", e)) {
			t.Fatalf("%s: snapshot %d %q, %v", id, snap.Seq, snap.Payload, err)
		}
		v, err := s.GetValue(ctx, id)
		if err != nil || v.Version != uint64(e) || e > 0 && string(v.Payload) != fmt.Sprintf("value %d of entity %d", e, e) || v.Note != nil {
			t.Fatalf("%s: value %+v, %v", id, v, err)
		}
		if round > 0 {
			if !same(recs[5].Entry, journal.Entry{Payload: []byte("new"), Note: []byte("noted")}) {
				t.Fatalf("%s: the new event is %q, noted %q", id, recs[5].Payload, recs[5].Note)
			}
			if _, _, err := s.Read(ctx, id, 0, journal.Chunk{}); errors.Is(err, journal.ErrPruned) != (e > 0) {
				t.Fatalf("%s: read of pruned events: %v", id, err)
			}
			continue
		}
		if err := s.Append(ctx, f, id, 10, []journal.Entry{{Payload: []byte("new"), Note: []byte("noted")}}); err != nil {
			t.Fatal(err)
		}
		if e > 0 {
			if err := s.Prune(ctx, f, id, 4); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRefusedIsNotUpgraded: a directory of format 1 that is damaged stays what it is.
func TestRefusedIsNotUpgraded(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(format1)); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "db", "MANIFEST-*"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("%v, %v", tables, err)
	}
	for _, table := range tables {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		write(t, table, strings.Repeat("\xff", len(data)))
	}
	refusedToOpen(t, dir, journal.ErrCorrupt)
}
