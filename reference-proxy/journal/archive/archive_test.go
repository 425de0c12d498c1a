package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/archive"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var when = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// owner gives fences of a store for one holder.
type owner struct {
	journal.Store
	fence journal.Fence
}

func (o owner) Fence(context.Context, journal.EntityID) (journal.Fence, error) { return o.fence, nil }

func own(t testing.TB, s journal.Store) owner {
	t.Helper()
	ctx := context.Background()
	if err := s.BeginLease(ctx, "me", time.Minute); err != nil {
		t.Fatal(err)
	}
	was, err := s.ReadOwner(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Claim(ctx, 1, was.Token, "me")
	if err != nil {
		t.Fatal(err)
	}
	return owner{s, f}
}

func empty(t testing.TB) owner {
	t.Helper()
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	return own(t, s)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func id(key string) journal.EntityID { return journal.EntityID{Namespace: "carts", Key: key} }

func entries(payloads ...string) []journal.Entry {
	list := make([]journal.Entry, len(payloads))
	for i, p := range payloads {
		list[i].Payload = []byte(p)
	}
	return list
}

// fill gives the store one entity of each sort.
func fill(t testing.TB, o owner) {
	t.Helper()
	ctx, f := context.Background(), o.fence
	events := func(key string, payloads ...string) { must(t, o.Append(ctx, f, id(key), 0, entries(payloads...))) }
	save := func(key string, seq uint64) {
		must(t, o.SaveSnapshot(ctx, f, id(key), journal.Snapshot{Seq: seq, Payload: fmt.Appendf(nil, "state %d", seq)}))
	}
	put := func(key string, e journal.Entry) {
		_, err := o.PutValue(ctx, f, id(key), 0, e)
		must(t, err)
	}
	events("plain", "one", "two", "three")
	events("with snapshot", "one", "two", "three")
	save("with snapshot", 2)
	events("pruned", "one", "two", "three", "four")
	save("pruned", 3)
	must(t, o.Prune(ctx, f, id("pruned"), 2))
	events("pruned to the end", "one", "two")
	save("pruned to the end", 2)
	must(t, o.Prune(ctx, f, id("pruned to the end"), 2))
	put("value", entries("state")[0])
	put("empty value", journal.Entry{})
	put("noted value", journal.Entry{Payload: []byte("state"), Note: []byte{0, 1, 0xFF}})
	put("deleted value", entries("state")[0])
	must(t, o.DeleteValue(ctx, f, id("deleted value"), 1))
	events("both", "one")
	put("both", entries("state")[0])
	must(t, o.Append(ctx, f, id("noted"), 0, []journal.Entry{{Payload: []byte("p"), Note: []byte("n")}, {}, {Note: []byte("n")}}))
	odd := journal.EntityID{Namespace: "\xff\x00%/\"<\u2028", Key: "\n" + strings.Repeat("ä", 300)}
	must(t, o.Append(ctx, f, odd, 0, entries("odd")))
}

// export returns what is exported of a store.
func export(t testing.TB, from archive.Source, which archive.Selection) string {
	t.Helper()
	var to bytes.Buffer
	w, err := archive.NewWriter(&to, "test", when)
	must(t, err)
	if _, err := archive.Export(context.Background(), from, which, w, func(err error) { t.Errorf("damaged: %v", err) }); err != nil {
		t.Fatal(err)
	}
	must(t, w.Close())
	return to.String()
}

// content is what a stream holds of each entity, whatever their order.
func content(t testing.TB, stream string) map[journal.EntityID]string {
	t.Helper()
	all := map[journal.EntityID]string{}
	var at journal.EntityID
	r := archive.NewReader(strings.NewReader(stream))
	for {
		it, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		case it.Entity != nil:
			at = it.Entity.ID
			all[at] += fmt.Sprintf("pruned %d\n", it.Entity.Pruned)
		case it.Event != nil:
			all[at] += fmt.Sprintf("event %d %q %q\n", it.Event.Seq, it.Event.Payload, it.Event.Note)
		case it.Snapshot != nil:
			all[at] += fmt.Sprintf("snapshot %d %q\n", it.Snapshot.Seq, it.Snapshot.Payload)
		case it.Value != nil:
			all[at] += fmt.Sprintf("value %q %q\n", it.Value.Payload, it.Value.Note)
		}
	}
}

func same(t testing.TB, got, want string) {
	t.Helper()
	g, w := content(t, got), content(t, want)
	if !maps.Equal(g, w) {
		t.Fatalf("the streams differ\n got %v\nwant %v", g, w)
	}
}

// importInto imports a stream of which nothing is refused.
func importInto(t testing.TB, to owner, stream string) archive.Imported {
	t.Helper()
	done, err := archive.Import(context.Background(), archive.NewReader(strings.NewReader(stream)), to, to,
		func(e *archive.RefusedError) { t.Errorf("refused: %v", e) })
	must(t, err)
	return done
}

func TestRoundTrip(t *testing.T) {
	from := empty(t)
	fill(t, from)
	stream := export(t, from, archive.Selection{})
	embedded, err := pebble.Open(t.TempDir(), pebble.Options{})
	must(t, err)
	defer func() { must(t, embedded.Close()) }()
	for name, to := range map[string]owner{"memory": empty(t), "embedded": own(t, embedded)} {
		t.Run(name, func(t *testing.T) {
			done := importInto(t, to, stream)
			if done.Written != done.Read.Entities || done.Present != 0 || done.Read.Entities != 10 || done.Read.Events != 13 {
				t.Errorf("the first time: %+v", done)
			}
			same(t, export(t, to, archive.Selection{}), stream)
			if done := importInto(t, to, stream); done.Written != 0 || done.Present != done.Read.Entities {
				t.Errorf("the second time: %+v", done)
			}
			same(t, export(t, to, archive.Selection{}), stream)
			for _, key := range []string{"pruned", "pruned to the end"} { // the sequence goes on
				last := map[string]uint64{"pruned": 4, "pruned to the end": 2}[key]
				must(t, to.Append(context.Background(), to.fence, id(key), last, entries("next")))
			}
			found, err := archive.Check(context.Background(), to, archive.Selection{}, func(err error) { t.Errorf("damaged: %v", err) })
			if err != nil || found.Events != done.Read.Events+2 || found.Entities != done.Read.Entities {
				t.Errorf("check: %v, %v", found, err)
			}
		})
	}
}

// TestSelection: one entity, one persistence id.
func TestSelection(t *testing.T) {
	from := empty(t)
	fill(t, from)
	carts, key, none := "carts", "pruned", "nobody"
	one := content(t, export(t, from, archive.Selection{Namespace: &carts, Key: &key}))
	if len(one) != 1 || one[id("pruned")] != "pruned 2\nevent 3 \"three\" \"\"\nevent 4 \"four\" \"\"\nsnapshot 3 \"state 3\"\n" {
		t.Errorf("one entity: %q", one)
	}
	if all := content(t, export(t, from, archive.Selection{Namespace: &carts})); len(all) != 9 {
		t.Errorf("of one persistence id: %d", len(all))
	}
	if all := content(t, export(t, from, archive.Selection{Namespace: &carts, Key: &none})); len(all) != 0 {
		t.Errorf("of an entity that is not there: %q", all)
	}
}

// TestAnyContent: whatever there is comes back, at whatever place the import was cut off and begun again.
func TestAnyContent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		from := empty(t)
		part := rapid.StringOfN(rapid.RuneFrom([]rune{'a', 'b', '%', 0, '|', 'ä'}), 0, 4, -1)
		entry := rapid.Custom(func(rt *rapid.T) journal.Entry {
			return journal.Entry{
				Payload: rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "payload"),
				Note:    rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(rt, "note"),
			}
		})
		for range rapid.IntRange(0, 8).Draw(rt, "entities") {
			at := journal.EntityID{Namespace: part.Draw(rt, "persistence id"), Key: part.Draw(rt, "entity id")}
			if rapid.Bool().Draw(rt, "value") {
				_, err := from.PutValue(ctx, from.fence, at, 0, entry.Draw(rt, "value"))
				if err != nil && !errors.Is(err, journal.ErrConflict) {
					rt.Fatal(err)
				}
				continue
			}
			n := uint64(0)
			for _, e := range rapid.SliceOfN(entry, 0, 20).Draw(rt, "events") {
				if err := from.Append(ctx, from.fence, at, n, []journal.Entry{e}); err != nil {
					break // the entity is there already
				}
				n++
			}
			if n > 0 && rapid.Bool().Draw(rt, "snapshot") {
				seq := rapid.Uint64Range(1, n).Draw(rt, "of")
				must(t, from.SaveSnapshot(ctx, from.fence, at, journal.Snapshot{Seq: seq, Payload: []byte("state")}))
				must(t, from.Prune(ctx, from.fence, at, rapid.Uint64Range(0, seq).Draw(rt, "pruned")))
			}
		}
		stream := export(t, from, archive.Selection{})
		to := empty(t)
		cut := rapid.IntRange(0, len(stream)-1).Draw(rt, "cut at")
		_, err := archive.Import(ctx, archive.NewReader(strings.NewReader(stream[:cut])), to, to, func(e *archive.RefusedError) { rt.Error(e) })
		if !errors.Is(err, archive.ErrCut) && !errors.Is(err, archive.ErrFormat) {
			rt.Fatalf("cut at %d of %d: %v", cut, len(stream), err)
		}
		importInto(t, to, stream)
		same(t, export(t, to, archive.Selection{}), stream)
	})
}

// TestChanged: any change of a byte, line taken out, doubled or moved is noticed, and the line named.
func TestChanged(t *testing.T) {
	from := empty(t)
	fill(t, from)
	stream := export(t, from, archive.Selection{})
	verify := func(s string) error {
		_, err := archive.Verify(context.Background(), archive.NewReader(strings.NewReader(s)))
		return err
	}
	must(t, verify(stream))
	bad := func(what, s string, line int) {
		t.Helper()
		err := verify(s)
		var at *archive.LineError
		if !errors.As(err, &at) || !errors.Is(err, archive.ErrDamaged) && !errors.Is(err, archive.ErrCut) && !errors.Is(err, archive.ErrFormat) {
			t.Fatalf("%s: %v", what, err)
		}
		if line > 0 && at.Line != line {
			t.Errorf("%s is noticed at line %d, it is line %d", what, at.Line, line)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		at := rng.IntN(len(stream))
		b := []byte(stream)
		b[at] ^= byte(1 + rng.IntN(255))
		line := 1 + strings.Count(stream[:at], "\n")
		if stream[at] == '\n' || b[at] == '\n' {
			line = 0 // two lines have become one, or one two
		}
		bad(fmt.Sprintf("byte %d", at), string(b), line)
	}
	lines := strings.SplitAfter(stream, "\n")
	lines = lines[:len(lines)-1]
	for i := range lines {
		bad(fmt.Sprintf("without line %d", i+1), strings.Join(slices.Delete(slices.Clone(lines), i, i+1), ""), 0)
		bad(fmt.Sprintf("line %d twice", i+1), strings.Join(slices.Insert(slices.Clone(lines), i, lines[i]), ""), i+2)
		bad(fmt.Sprintf("cut behind line %d", i), strings.Join(lines[:i], ""), max(1, i))
	}
	bad("something behind the end", stream+"\n", len(lines)+1)
	bad("something behind the end", stream+"x", len(lines)+1)
}

func TestVersions(t *testing.T) {
	for name, c := range map[string]struct{ text, say string }{
		"newer":   {`{"cloudstate-export":{"version":2,"something":"new"},"check":"else"}` + "\n", "it is of version 2, this program reads up to 1; use the newer version"},
		"foreign": {"PGDMP\x01\n", "its first line is not"},
		"json":    {"{}\n", "its first line is not"},
		"empty":   {"", "it is empty"},
		"endless": {strings.Repeat("x", 1<<20), "its first line is not"},
	} {
		_, err := archive.Verify(context.Background(), archive.NewReader(strings.NewReader(c.text)))
		if !errors.Is(err, archive.ErrFormat) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, want %q", name, err, c.say)
		}
	}
}

// TestVersion1 reads what the first version wrote: it must be read for good.
func TestVersion1(t *testing.T) {
	got := content(t, version1)
	want := map[journal.EntityID]string{
		id("c1"): "pruned 1\nevent 2 \"two\" \"n\"\nsnapshot 2 \"state 2\"\n",
		id("v%"): "pruned 0\nvalue \"state\" \"\"\n",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	from := empty(t)
	ctx, f := context.Background(), from.fence
	must(t, from.Append(ctx, f, id("c1"), 0, []journal.Entry{{Payload: []byte("one")}, {Payload: []byte("two"), Note: []byte("n")}}))
	must(t, from.SaveSnapshot(ctx, f, id("c1"), journal.Snapshot{Seq: 2, Payload: []byte("state 2")}))
	must(t, from.Prune(ctx, f, id("c1"), 1))
	_, err := from.PutValue(ctx, f, id("v%"), 0, entries("state")[0])
	must(t, err)
	same(t, export(t, from, archive.Selection{}), version1)
}
