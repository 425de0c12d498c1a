package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/archive"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

// TestOtherContent: what is there and is something else stays as it is, and the others are imported.
func TestOtherContent(t *testing.T) {
	ctx := context.Background()
	from := empty(t)
	fill(t, from)
	stream := export(t, from, archive.Selection{})
	for name, c := range map[string]struct {
		key string
		do  func(to owner) error
		say string
	}{
		"another event": {"plain", func(to owner) error {
			return to.Append(ctx, to.fence, id("plain"), 0, entries("one", "zwei"))
		}, "its event 2 is another one"},
		"more events": {"plain", func(to owner) error {
			return to.Append(ctx, to.fence, id("plain"), 0, entries("one", "two", "three", "four"))
		}, "more behind event 3"},
		"another note": {"noted", func(to owner) error {
			return to.Append(ctx, to.fence, id("noted"), 0, entries("p"))
		}, "its event 1 is another one"},
		"another beginning": {"pruned", func(to owner) error {
			return to.Append(ctx, to.fence, id("pruned"), 0, entries("one"))
		}, "it begins with event 1, the export with event 3, and it has none of those"},
		"no event in common": {"pruned", func(to owner) error {
			return to.Append(ctx, to.fence, id("pruned"), 0, entries("one", "two"))
		}, "it begins with event 1, the export with event 3, and it has none of those"},
		"another event behind an earlier beginning": {"pruned", func(to owner) error {
			return to.Append(ctx, to.fence, id("pruned"), 0, entries("one", "two", "drei", "four"))
		}, "its event 3 is another one"},
		"a later beginning": {"plain", func(to owner) error {
			return to.Begin(ctx, to.fence, id("plain"), 2)
		}, "its events up to 2 were removed, those of the export up to 0"},
		"another snapshot": {"with snapshot", func(to owner) error {
			return errors.Join(to.Append(ctx, to.fence, id("with snapshot"), 0, entries("one", "two", "three")),
				to.SaveSnapshot(ctx, to.fence, id("with snapshot"), journal.Snapshot{Seq: 2, Payload: []byte("other")}))
		}, "its snapshot of event 2 is another one"},
		"another value": {"value", func(to owner) error {
			_, err := to.PutValue(ctx, to.fence, id("value"), 0, entries("other")[0])
			return err
		}, "its value is another one"},
	} {
		t.Run(name, func(t *testing.T) {
			to := empty(t)
			must(t, c.do(to))
			before := content(t, withoutDamage(t, to))[id(c.key)]
			var refused []string
			done, err := archive.Import(ctx, archive.NewReader(strings.NewReader(stream)), to, to, func(e *archive.RefusedError) {
				if e.ID != id(c.key) || !errors.Is(e, archive.ErrDiffers) || e.Begun {
					t.Errorf("refused: %v", e)
				}
				refused = append(refused, e.Error())
			})
			must(t, err)
			if len(refused) != 1 || !strings.Contains(refused[0], c.say) || done.Refused != 1 || done.Written != done.Read.Entities-1 {
				t.Errorf("refused %q, want %q; %+v", refused, c.say, done)
			}
			after := content(t, withoutDamage(t, to))
			want := content(t, stream)
			if want[id(c.key)] = before; before == "" {
				delete(want, id(c.key))
			}
			if fmt.Sprint(after) != fmt.Sprint(want) {
				t.Errorf("afterwards there is\n%v\nwant\n%v", after, want)
			}
		})
	}
}

// TestOtherContentBehind: what is found to be something else behind events that were missing stays, and it is said that they were added.
func TestOtherContentBehind(t *testing.T) {
	ctx := context.Background()
	from := empty(t)
	fill(t, from)
	stream := export(t, from, archive.Selection{})
	for key, c := range map[string]struct {
		do   func(to owner) error
		want string
	}{
		"with snapshot": {func(to owner) error {
			return errors.Join(to.Append(ctx, to.fence, id("with snapshot"), 0, entries("one", "two")),
				to.SaveSnapshot(ctx, to.fence, id("with snapshot"), journal.Snapshot{Seq: 2, Payload: []byte("other")}))
		}, "pruned 0\nevent 1 \"one\" \"\"\nevent 2 \"two\" \"\"\nevent 3 \"three\" \"\"\nsnapshot 2 \"other\"\n"},
		"both": {func(to owner) error {
			_, err := to.PutValue(ctx, to.fence, id("both"), 0, entries("other")[0])
			return err
		}, "pruned 0\nevent 1 \"one\" \"\"\nvalue \"other\" \"\"\n"},
	} {
		to := empty(t)
		must(t, c.do(to))
		var refused []*archive.RefusedError
		_, err := archive.Import(ctx, archive.NewReader(strings.NewReader(stream)), to, to, func(e *archive.RefusedError) { refused = append(refused, e) })
		must(t, err)
		if len(refused) != 1 || refused[0].ID != id(key) || !errors.Is(refused[0], archive.ErrDiffers) || !refused[0].Begun {
			t.Errorf("%s: refused %v", key, refused)
		}
		if got := content(t, withoutDamage(t, to))[id(key)]; got != c.want {
			t.Errorf("%s: got %q, want %q", key, got, c.want)
		}
	}
}

// withoutDamage is export for a store that may have damaged entities.
func withoutDamage(t *testing.T, from archive.Source) string {
	t.Helper()
	var to bytes.Buffer
	w, err := archive.NewWriter(&to, "test", when)
	must(t, err)
	_, err = archive.Export(context.Background(), from, archive.Selection{}, w, func(error) {})
	must(t, err)
	must(t, w.Close())
	return to.String()
}

// held is an owner to whom some shards do not belong.
type held struct{ owner }

func (h held) Fence(ctx context.Context, e journal.EntityID) (journal.Fence, error) {
	if strings.HasPrefix(e.Key, "pruned") {
		return journal.Fence{}, &journal.HeldError{Shard: 7, Owner: journal.Owner{Token: 3, Holder: "another proxy"}}
	}
	return h.owner.Fence(ctx, e)
}

func TestHeldByAnother(t *testing.T) {
	from, to := empty(t), empty(t)
	fill(t, from)
	var refused []error
	done, err := archive.Import(context.Background(), archive.NewReader(strings.NewReader(export(t, from, archive.Selection{}))), to, held{to},
		func(e *archive.RefusedError) { refused = append(refused, e) })
	must(t, err)
	if len(refused) != 2 || !errors.Is(refused[0], journal.ErrHeld) || done.Refused != 2 || done.Written != done.Read.Entities-2 {
		t.Errorf("refused %v; %+v", refused, done)
	}
}

// TestStoreFails: an error of the store ends the import, and says at which entity.
func TestStoreFails(t *testing.T) {
	from, to := empty(t), empty(t)
	fill(t, from)
	stream := export(t, from, archive.Selection{})
	must(t, to.Store.Close())
	_, err := archive.Import(context.Background(), archive.NewReader(strings.NewReader(stream)), to, to, func(e *archive.RefusedError) { t.Error(e) })
	if !errors.Is(err, journal.ErrClosed) || !strings.Contains(err.Error(), "entity ") {
		t.Errorf("error %v", err)
	}
}

// pruning is a store that prunes an entity's events while they are read.
type pruning struct {
	owner
	left int
}

func (p *pruning) Read(ctx context.Context, e journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
	if e == id("plain") && after > 0 && p.left > 0 {
		p.left--
		seq := uint64(3 - p.left)
		err := errors.Join(
			p.SaveSnapshot(ctx, p.fence, e, journal.Snapshot{Seq: seq, Payload: fmt.Appendf(nil, "state %d", seq)}),
			p.Prune(ctx, p.fence, e, seq))
		if err != nil {
			return nil, false, err
		}
	}
	return p.owner.Read(ctx, e, after, journal.Chunk{Records: 1})
}

// TestPrunedMeanwhile: what is exported of an entity fits together, though its events go while they are read.
func TestPrunedMeanwhile(t *testing.T) {
	from := &pruning{owner: empty(t), left: 2}
	fill(t, from.owner)
	got := content(t, export(t, from, archive.Selection{}))[id("plain")]
	if want := "pruned 3\nsnapshot 3 \"state 3\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// relisting is a store that lists a journal again that was pruned meanwhile, as journal.Catalog permits.
type relisting struct{ owner }

func (r relisting) List(ctx context.Context, after journal.Cursor, _ int) ([]journal.Listed, journal.Cursor, error) {
	list, next := []journal.Listed{{ID: id("plain"), Journal: true}}, journal.Cursor("again")
	if after == "" {
		return list, next, nil
	}
	return list, "", errors.Join(
		r.Append(ctx, r.fence, id("plain"), 3, entries("four", "five")),
		r.SaveSnapshot(ctx, r.fence, id("plain"), journal.Snapshot{Seq: 4, Payload: []byte("state 4")}),
		r.Prune(ctx, r.fence, id("plain"), 2))
}

// TestListedTwice: an export that holds a journal twice, the second time with fewer old events and more new ones, is imported.
func TestListedTwice(t *testing.T) {
	ctx := context.Background()
	const tail = "event 2 \"two\" \"\"\nevent 3 \"three\" \"\"\nevent 4 \"four\" \"\"\nevent 5 \"five\" \"\"\nsnapshot 4 \"state 4\"\n"
	for pruned, want := range []string{"pruned 0\nevent 1 \"one\" \"\"\n" + tail, "pruned 1\n" + tail} {
		from, to := relisting{empty(t)}, empty(t)
		fill(t, from.owner)
		if pruned > 0 {
			must(t, from.SaveSnapshot(ctx, from.fence, id("plain"), journal.Snapshot{Seq: 2, Payload: []byte("state 2")}))
			must(t, from.Prune(ctx, from.fence, id("plain"), uint64(pruned)))
		}
		if done := importInto(t, to, export(t, from, archive.Selection{})); done.Read.Entities != 2 || done.Written != 2 {
			t.Errorf("%+v", done)
		}
		if got := content(t, export(t, to, archive.Selection{}))[id("plain")]; got != want {
			t.Errorf("pruned %d: got %q, want %q", pruned, got, want)
		}
	}
}

// TestLongEntity: neither side keeps a long history in memory.
func TestLongEntity(t *testing.T) {
	const events, size = 100_000, 200
	ctx := context.Background()
	t.Setenv("TMPDIR", t.TempDir())
	stores := make([]owner, 2)
	for i := range stores {
		s, err := pebble.Open(t.TempDir(), pebble.Options{DangerouslyNoSync: true, Logger: slog.New(slog.DiscardHandler)})
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		stores[i] = own(t, s)
	}
	batch := make([]journal.Entry, 1000)
	for n := uint64(0); n < events; n += uint64(len(batch)) {
		for i := range batch {
			batch[i].Payload = bytes.Repeat([]byte{byte(n), byte(i)}, size/2)
		}
		must(t, stores[0].Append(ctx, stores[0].fence, id("long"), n, batch))
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	must(t, err)
	defer func() { must(t, file.Close()) }()
	peak := peakHeap(t)
	w, err := archive.NewWriter(file, "test", when)
	must(t, err)
	if counts, err := archive.Export(ctx, stores[0], archive.Selection{}, w, func(err error) { t.Error(err) }); err != nil || counts.Events != events {
		t.Fatalf("%v, %v", counts, err)
	}
	must(t, w.Close())
	_, err = file.Seek(0, 0)
	must(t, err)
	done, err := archive.Import(ctx, archive.NewReader(file), stores[1], stores[1], func(e *archive.RefusedError) { t.Error(e) })
	if err != nil || done.Written != 1 || done.Read.Events != events {
		t.Fatalf("%+v, %v", done, err)
	}
	if grew := peak(); grew > 48<<20 { // all of it would be 20 MB in the stores and 30 MB in the stream, several times
		t.Errorf("the heap grew by %d MiB", grew>>20)
	} else {
		t.Logf("%d events; the heap grew by %d MiB", events, grew>>20)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	if found, err := archive.Check(ctx, stores[1], archive.Selection{}, func(err error) { t.Error(err) }); err != nil || found.Events != events {
		t.Errorf("check: %v, %v", found, err)
	}
}

// peakHeap watches what of the heap is in use, garbage left out; what it returns ends that and says by how much it grew at most.
func peakHeap(t *testing.T) func() uint64 {
	t.Helper()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, m.HeapAlloc
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		look := time.NewTicker(20 * time.Millisecond)
		defer look.Stop()
		for {
			select {
			case <-stop:
				return
			case <-look.C:
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-stopped
		return most - before
	}
}
