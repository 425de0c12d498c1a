package journaltest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// listing goes through a whole listing and counts how often each journal and each value
// comes. between, if not nil, is called after each page.
func (b *bench) listing(page int, between func()) (journals, values map[journal.EntityID]int) {
	b.Helper()
	journals, values = map[journal.EntityID]int{}, map[journal.EntityID]int{}
	seen := map[journal.Cursor]bool{}
	for after := journal.Cursor(""); ; {
		list, next, err := b.List(b.ctx, after, page)
		if err != nil {
			b.Fatalf("listing in pages of %d: %v", page, err)
		}
		if len(list) > journal.PageSize(page) {
			b.Fatalf("a page of %d holds %d", page, len(list))
		}
		for _, l := range list {
			if l.Journal {
				journals[l.ID]++
			}
			if l.Value {
				values[l.ID]++
			}
			if !l.Journal && !l.Value {
				b.Fatalf("%s is listed as having nothing", l.ID)
			}
		}
		if next == "" {
			return journals, values
		}
		if between != nil {
			between()
		}
		if seen[next] {
			b.Fatalf("listing in pages of %d goes round in circles", page)
		}
		seen[next] = true
		after = next
	}
}

// listed checks that exactly what is wanted is listed, each once.
func (b *bench) listed(what string, got map[journal.EntityID]int, want []journal.EntityID) {
	b.Helper()
	for _, id := range want {
		if got[id] != 1 {
			b.Fatalf("%s: %q/%q is listed %d times", what, id.Namespace, id.Key, got[id])
		}
	}
	if len(got) != len(want) {
		for id := range got {
			if !slices.Contains(want, id) {
				b.Fatalf("%s: %q/%q is listed and is not there", what, id.Namespace, id.Key)
			}
		}
	}
}

// testListing: what is there is listed, once, whatever its id and in pages of any size; and what is not
// is not.
func (su *suite) testListing(t *testing.T) {
	b := su.bench(t)
	journals, values := b.listing(0, nil)
	b.listed("journals of an empty store", journals, nil)
	b.listed("values of an empty store", values, nil)

	f := b.claim(1)
	ids := oddIDs()
	ids = ids[:min(len(ids), max(su.effort.Entities, 12))]
	if len(ids) > 300 { // each is read, more than once
		ids = ids[:300]
	}
	put := func(id journal.EntityID, expected uint64) {
		t.Helper()
		if _, err := b.PutValue(b.ctx, f, id, expected, entry("a value")); err != nil {
			t.Fatal(err)
		}
	}
	var wantJournals, wantValues []journal.EntityID
	for i, id := range ids {
		hasJournal, hasValue := true, false
		switch i % 7 {
		case 0: // pruned, all of it
			b.append(f, id, 0, "1", "2")
			b.save(f, id, 2, "state")
			if err := b.Prune(b.ctx, f, id, 2); err != nil {
				t.Fatal(err)
			}
		case 1: // both
			b.append(f, id, 0, "1")
			put(id, 0)
			hasValue = true
		case 2: // a value
			put(id, 0)
			put(id, 1)
			hasJournal, hasValue = false, true
		case 3: // one that was deleted
			put(id, 0)
			if err := b.DeleteValue(b.ctx, f, id, 1); err != nil {
				t.Fatal(err)
			}
			hasJournal = false
		case 4: // looked at, and nothing more
			b.all(id, 0, journal.Chunk{})
			b.adopt(f, id, 0)
			if err := b.AdoptValue(b.ctx, f, id, 0); err != nil {
				t.Fatal(err)
			}
			hasJournal = false
		case 5: // deleted, and there again
			put(id, 0)
			if err := b.DeleteValue(b.ctx, f, id, 1); err != nil {
				t.Fatal(err)
			}
			put(id, 0)
			hasJournal, hasValue = false, true
		default:
			b.append(f, id, 0, "1", "2", "3")
			b.append(f, id, 3, "4")
		}
		if hasJournal {
			wantJournals = append(wantJournals, id)
		}
		if hasValue {
			wantValues = append(wantValues, id)
		}
	}
	for _, page := range []int{0, 1, 2, 3, 7, len(ids), journal.MaxPage + 1} {
		journals, values := b.listing(page, nil)
		b.listed(fmt.Sprintf("journals in pages of %d", page), journals, wantJournals)
		b.listed(fmt.Sprintf("values in pages of %d", page), values, wantValues)
	}
	if su.reopen != nil {
		b.restart()
		journals, values := b.listing(5, nil)
		b.listed("journals after a restart", journals, wantJournals)
		b.listed("values after a restart", values, wantValues)
	}
}

// testListingWhileWriting: what is there all the time is listed once while others are written, made and
// removed.
func (su *suite) testListingWhileWriting(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	name := func(kind string, n int) journal.EntityID {
		return journal.EntityID{Namespace: "listing", Key: fmt.Sprintf("%s-%d", kind, n)}
	}
	const steady = 20
	var journals, values []journal.EntityID
	for n := range steady {
		journals, values = append(journals, name("cart", n)), append(values, name("value", n))
		b.append(f, journals[n], 0, "1")
		if _, err := b.PutValue(b.ctx, f, values[n], 0, entry("1")); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	write := func() {
		if n == 60 { // a listing must come to its end
			return
		}
		at := uint64(n/steady) + 1
		b.append(f, journals[n%steady], at, "more")
		b.append(f, name("new", n), 0, "new")
		comes := name("comes and goes", n)
		_, err := b.PutValue(b.ctx, f, values[n%steady], at, entry("more"))
		if err == nil {
			_, err = b.PutValue(b.ctx, f, comes, 0, entry("comes"))
		}
		if err == nil && n%2 == 0 {
			err = b.DeleteValue(b.ctx, f, comes, 1)
		}
		if err != nil {
			t.Fatalf("writing beside a listing: %v", err)
		}
		n++
	}
	for round := range 4 {
		gotJournals, gotValues := b.listing(1+2*round, write)
		for i, got := range []map[journal.EntityID]int{gotJournals, gotValues} {
			for id, n := range got {
				if n > 1 {
					t.Errorf("%s is listed %d times", id, n)
				}
			}
			for _, id := range [][]journal.EntityID{journals, values}[i] {
				if got[id] != 1 {
					t.Errorf("%s, which is there all the time, is listed %d times", id, got[id])
				}
			}
		}
	}
}

// testBegin: a journal may begin behind events that another store had.
func (su *suite) testBegin(t *testing.T) {
	b := su.bench(t)
	f := b.claim(1)
	begin := func(id journal.EntityID, through uint64) error { return b.Begin(b.ctx, f, id, through) }
	b.refused(begin(cart, 0), journal.ErrInvalid)
	if err := begin(cart, 1000); err != nil {
		t.Fatal(err)
	}
	begun := func(want ...string) {
		t.Helper()
		for _, after := range []uint64{0, 1, 999} {
			var pruned *journal.PrunedError
			_, _, err := b.Read(b.ctx, cart, after, journal.Chunk{})
			b.refused(err, journal.ErrPruned)
			if !errors.As(err, &pruned) || *pruned != (journal.PrunedError{ID: cart, After: after, Through: 1000}) {
				t.Fatalf("read after %d of a journal that begins behind 1000: %v", after, err)
			}
		}
		b.equal("events behind the beginning", b.all(cart, 1000, journal.Chunk{Records: 2}), want)
		b.equal("events behind the end", b.all(cart, 1000+uint64(len(want)), journal.Chunk{}), nil)
	}
	begun()
	for _, through := range []uint64{1, 1000, 2000} {
		var conflict *journal.ConflictError
		err := begin(cart, through)
		b.refused(err, journal.ErrConflict)
		if !errors.As(err, &conflict) || *conflict != (journal.ConflictError{ID: cart, Expected: 0, Actual: 1000}) {
			t.Fatalf("a second beginning: %v", err)
		}
	}
	for _, expected := range []uint64{0, 1, 999, 1001} {
		b.refused(b.Append(b.ctx, f, cart, expected, entries("no")), journal.ErrConflict)
		b.refused(b.Adopt(b.ctx, f, cart, expected), journal.ErrConflict)
	}
	b.adopt(f, cart, 1000)
	b.refused(b.SaveSnapshot(b.ctx, f, cart, journal.Snapshot{Seq: 1001}), journal.ErrConflict)
	b.save(f, cart, 1000, "state of 1000")
	b.snapshot(cart, 1000, "state of 1000")
	for _, through := range []uint64{3, 1000} { // there is nothing to remove
		if err := b.Prune(b.ctx, f, cart, through); err != nil {
			t.Fatal(err)
		}
		begun()
	}
	b.append(f, cart, 1000, "1001", "1002")
	b.append(f, cart, 1002, "1003")
	begun("1001", "1002", "1003")
	journals, _ := b.listing(0, nil)
	b.listed("a journal that begins late", journals, []journal.EntityID{cart})

	// Where there are events already, or were.
	other := journal.EntityID{Namespace: cart.Namespace, Key: "other"}
	b.append(f, other, 0, "1")
	b.refused(begin(other, 5), journal.ErrConflict)
	b.save(f, other, 1, "state")
	if err := b.Prune(b.ctx, f, other, 1); err != nil {
		t.Fatal(err)
	}
	b.refused(begin(other, 5), journal.ErrConflict)
	b.append(f, other, 1, "2")
	// A value is not in the way.
	valued := journal.EntityID{Namespace: cart.Namespace, Key: "valued"}
	if _, err := b.PutValue(b.ctx, f, valued, 0, entry("v")); err != nil {
		t.Fatal(err)
	}
	if err := begin(valued, 7); err != nil {
		t.Fatal(err)
	}
	b.append(f, valued, 7, "8")
	b.value(valued, 1, "v")

	old := f
	f = b.claim(1)
	fresh := journal.EntityID{Namespace: cart.Namespace, Key: "fresh"}
	b.refused(b.Begin(b.ctx, old, fresh, 3), journal.ErrFenced)
	b.equal("events where a stale owner tried to begin", b.all(fresh, 0, journal.Chunk{}), nil)
	b.adopt(f, cart, 1003)
	begun("1001", "1002", "1003")
	b.append(f, cart, 1003, "1004")
	b.save(f, cart, 1002, "state of 1002")
	if err := b.Prune(b.ctx, f, cart, 1001); err != nil {
		t.Fatal(err)
	}
	b.equal("events after a prune", b.all(cart, 1001, journal.Chunk{}), []string{"1002", "1003", "1004"})
	_, _, err := b.Read(b.ctx, cart, 1000, journal.Chunk{})
	b.refused(err, journal.ErrPruned)
	if su.reopen == nil {
		return
	}
	b.restart()
	f = b.claim(1)
	b.equal("events after a restart", b.all(cart, 1001, journal.Chunk{}), []string{"1002", "1003", "1004"})
	b.equal("events of the other after a restart", b.all(valued, 7, journal.Chunk{}), []string{"8"})
	b.adopt(f, cart, 1004)
	b.append(f, cart, 1004, "1005")
	b.adopt(f, valued, 8)
}
