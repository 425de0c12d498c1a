package journaltest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// model is what a store should hold: the plainest thing that keeps the promises.
type model struct {
	*bench
	t      *rapid.T
	ids    []journal.EntityID
	base   journal.Shard // of this run's shards; entity i is in shard base + i%2
	states map[journal.EntityID]state
	owners [2]journal.Owner
	leases map[journal.Holder]uint64 // beats; 0: ended
	holder []journal.Holder          // those that ever had a lease, in this order
}

// state is one entity's. It is copied, so its slices are never changed in place.
type state struct {
	events   []journal.Entry
	pruned   uint64
	snapshot journal.Snapshot
	value    journal.Value
}

func (st state) last() uint64 { return uint64(len(st.events)) }

// testModel runs random calls against the store and the model and compares every answer.
// All runs share one store, each with entities, shards and holders of its own.
func (su *suite) testModel(t *testing.T) {
	b := su.bench(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &model{
			bench: b, t: rt, base: journal.Shard(2 * run),
			states: map[journal.EntityID]state{}, leases: map[journal.Holder]uint64{},
		}
		for range 4 {
			part := rapid.StringOfN(rapid.SampledFrom([]rune("a\x00\x01ÿ|")), 0, 3, -1)
			id := journal.EntityID{Namespace: fmt.Sprintf("%s\x00%d", part.Draw(rt, "namespace"), run), Key: part.Draw(rt, "key")}
			if _, twice := m.states[id]; !twice {
				m.states[id] = state{}
				m.ids = append(m.ids, id)
			}
		}
		m.own(rt)
		actions := map[string]func(*rapid.T){
			"append": m.append, "append more": m.append, "adopt": m.adopt, "read": m.read, "prune": m.prune, "begin journal": m.beginJournal,
			"snapshot": m.snapshot, "put": m.put, "put more": m.put, "delete": m.delete, "adopt value": m.adoptValue,
			"own": m.own, "claim": m.claim, "release": m.release,
			"begin": m.begin, "renew": m.renew, "end": m.end,
			"": m.compare,
		}
		if su.reopen != nil {
			actions["reopen"] = m.reopen
		}
		rt.Repeat(actions)
	})
}

// own gives both shards to a holder that lives, so that writes work for a while.
func (m *model) own(t *rapid.T) {
	h := newHolder()
	if err := m.BeginLease(m.ctx, h, leaseLength); err != nil {
		t.Fatal(err)
	}
	m.leases[h], m.holder = 1, append(m.holder, h)
	for i := range m.owners {
		if old := m.owners[i].Holder; m.leases[old] > 0 {
			if err := m.EndLease(m.ctx, old, m.leases[old]); err != nil {
				t.Fatal(err)
			}
			m.leases[old] = 0
		}
		f, err := m.Claim(m.ctx, m.base+journal.Shard(i), m.owners[i].Token, h)
		if err != nil || f.Token != m.owners[i].Token+1 {
			t.Fatalf("claim after %+v: %+v, %v", m.owners[i], f, err)
		}
		m.owners[i] = journal.Owner{Token: f.Token, Holder: h}
	}
}

// standing is what can be said of a fence.
type standing int

const (
	holds standing = iota
	// lost: released, or the lease has ended; a write is not acknowledged.
	lost
	// void: not the newest token, or not its holder's; a write is ErrFenced.
	void
)

// pick draws an entity, and a fence that is the right one more often than not.
func (m *model) pick(t *rapid.T) (id journal.EntityID, st state, f journal.Fence, s standing) {
	i := rapid.IntRange(0, len(m.ids)-1).Draw(t, "entity")
	o := m.owners[i%2]
	f = journal.Fence{Shard: m.base + journal.Shard(i%2), Token: o.Token, Holder: o.Holder}
	switch rapid.IntRange(0, 11).Draw(t, "fence") {
	case 0:
		f.Token += journal.Token(rapid.IntRange(1, 2).Draw(t, "tokens ahead"))
		s = void
	case 1:
		f.Token--
		s = void
	case 2:
		f.Shard = m.base + journal.Shard(1-i%2)
		if m.owners[1-i%2] != o {
			s = void
		}
	}
	if s == holds && m.leases[f.Holder] == 0 {
		s = lost
	}
	return m.ids[i], m.states[m.ids[i]], f, s
}

// expect draws what a writer believes to be the newest.
func expect(t *rapid.T, newest uint64) uint64 {
	if rapid.IntRange(0, 3).Draw(t, "wrong") > 0 {
		return newest
	}
	return rapid.Uint64Range(0, newest+2).Draw(t, "expected")
}

// check compares a write's error with the model's. next is the entity's state if the
// write was made.
func (m *model) check(t *rapid.T, err error, id journal.EntityID, s standing, conflict bool, next state) {
	t.Helper()
	var want error
	switch {
	case s == void:
		want = journal.ErrFenced
	case s == lost && err != nil && !journal.NotWritten(err):
		// Nobody knows: see for ourselves.
		if m.differs(id, m.states[id]) != "" && !conflict {
			m.states[id] = next
		}
		return
	case s == lost:
		want = journal.ErrFenced
	case conflict:
		want = journal.ErrConflict
	}
	if !errors.Is(err, want) || err != nil && !journal.NotWritten(err) {
		t.Fatalf("error %v, want %v", err, want)
	}
	if err == nil {
		m.states[id] = next
	}
}

var (
	payload  = rapid.SliceOfN(rapid.Byte(), 0, 20)
	oneEntry = rapid.Custom(func(t *rapid.T) journal.Entry {
		e := journal.Entry{Payload: payload.Draw(t, "payload")}
		if rapid.IntRange(0, 3).Draw(t, "noted") == 0 {
			e.Note = payload.Draw(t, "note")
		}
		return e
	})
)

func (m *model) append(t *rapid.T) {
	id, st, f, s := m.pick(t)
	expected := expect(t, st.last())
	events := rapid.SliceOfN(oneEntry, 1, 4).Draw(t, "events")
	err := m.Append(m.ctx, f, id, expected, events)
	conflict := expected != st.last()
	st.events = append(slices.Clip(st.events), events...)
	m.check(t, err, id, s, conflict, st)
}

func (m *model) adopt(t *rapid.T) {
	id, st, f, s := m.pick(t)
	expected := expect(t, st.last())
	m.check(t, m.Adopt(m.ctx, f, id, expected), id, s, expected != st.last(), st)
}

func (m *model) prune(t *rapid.T) {
	id, st, f, s := m.pick(t)
	through := rapid.Uint64Range(1, max(1, st.snapshot.Seq+1)).Draw(t, "through")
	err := m.Prune(m.ctx, f, id, through)
	conflict := through > st.snapshot.Seq
	st.pruned = max(st.pruned, through)
	m.check(t, err, id, s, conflict, st)
}

func (m *model) beginJournal(t *rapid.T) {
	id, st, f, s := m.pick(t)
	through := rapid.Uint64Range(1, 5).Draw(t, "through")
	err := m.Begin(m.ctx, f, id, through)
	conflict := st.last() > 0
	st.events, st.pruned = make([]journal.Entry, through), through
	m.check(t, err, id, s, conflict, st)
}

func (m *model) read(t *rapid.T) {
	id, st, _, _ := m.pick(t)
	after := rapid.Uint64Range(0, st.last()+2).Draw(t, "after")
	max := journal.Chunk{
		Records: rapid.IntRange(0, 5).Draw(t, "records"),
		Bytes:   rapid.IntRange(0, 30).Draw(t, "bytes"),
	}
	recs, more, err := m.Read(m.ctx, id, after, max)
	if after < st.pruned {
		if !errors.Is(err, journal.ErrPruned) || len(recs) > 0 || more {
			t.Fatalf("read after %d of events removed through %d: %d records, %v", after, st.pruned, len(recs), err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	max = max.WithDefaults()
	n, size := 0, 0
	rest := st.events[min(after, st.last()):]
	for _, e := range rest {
		size += e.Size()
		if n > 0 && (n == max.Records || size > max.Bytes) {
			break
		}
		n++
	}
	if wrong := different(recs, after, rest[:n]); wrong != "" || more != (n < len(rest)) {
		t.Fatalf("read after %d, %+v: %s; more %v, %d of %d are due", after, max, wrong, more, n, len(rest))
	}
}

// different says where records differ from events, or nothing.
func different(recs []journal.Record, after uint64, events []journal.Entry) string {
	if len(recs) != len(events) {
		return fmt.Sprintf("%d events, want %d", len(recs), len(events))
	}
	for i, r := range recs {
		if r.Seq != after+uint64(i)+1 || !same(r.Entry, events[i]) {
			return fmt.Sprintf("event %d %q where %d %q is due", r.Seq, told(r.Entry), after+uint64(i)+1, told(events[i]))
		}
	}
	return ""
}

func same(a, b journal.Entry) bool {
	return bytes.Equal(a.Payload, b.Payload) && bytes.Equal(a.Note, b.Note)
}

func (m *model) snapshot(t *rapid.T) {
	id, st, f, s := m.pick(t)
	snap := journal.Snapshot{
		Seq:     rapid.Uint64Range(1, st.last()+2).Draw(t, "seq"),
		Payload: payload.Draw(t, "payload"),
	}
	err := m.SaveSnapshot(m.ctx, f, id, snap)
	conflict := snap.Seq > st.last()
	if snap.Seq > st.snapshot.Seq {
		st.snapshot = snap
	}
	m.check(t, err, id, s, conflict, st)
}

func (m *model) put(t *rapid.T) {
	id, st, f, s := m.pick(t)
	expected, e := expect(t, st.value.Version), oneEntry.Draw(t, "entry")
	version, err := m.PutValue(m.ctx, f, id, expected, e)
	if err == nil && version != expected+1 {
		t.Fatalf("put over %d gave version %d", expected, version)
	}
	conflict := expected != st.value.Version
	st.value = journal.Value{Version: expected + 1, Entry: e, Found: true}
	m.check(t, err, id, s, conflict, st)
}

func (m *model) delete(t *rapid.T) {
	id, st, f, s := m.pick(t)
	expected := expect(t, st.value.Version)
	err := m.DeleteValue(m.ctx, f, id, expected)
	conflict := expected != st.value.Version
	st.value = journal.Value{}
	m.check(t, err, id, s, conflict, st)
}

func (m *model) adoptValue(t *rapid.T) {
	id, st, f, s := m.pick(t)
	expected := expect(t, st.value.Version)
	m.check(t, m.AdoptValue(m.ctx, f, id, expected), id, s, expected != st.value.Version, st)
}

// compare holds everything stored against the model.
func (m *model) compare(t *rapid.T) {
	for id, st := range m.states {
		if wrong := m.differs(id, st); wrong != "" {
			t.Fatalf("%s: %s", id, wrong)
		}
	}
	m.compareOwners(t)
}

// differs says what is stored of id that is not st, or nothing.
func (m *model) differs(id journal.EntityID, st state) string {
	if st.pruned > 0 {
		if _, _, err := m.Read(m.ctx, id, st.pruned-1, journal.Chunk{}); !errors.Is(err, journal.ErrPruned) {
			return fmt.Sprintf("read of event %d, which is removed: %v", st.pruned, err)
		}
	}
	recs, more, err := m.Read(m.ctx, id, st.pruned, journal.Chunk{Records: 1 << 20, Bytes: 1 << 30})
	if err != nil || more {
		return fmt.Sprintf("read: more %v, %v", more, err)
	}
	if wrong := different(recs, st.pruned, st.events[st.pruned:]); wrong != "" {
		return wrong
	}
	s, found, err := m.LatestSnapshot(m.ctx, id)
	if err != nil || found != (st.snapshot.Seq > 0) || s.Seq != st.snapshot.Seq || !bytes.Equal(s.Payload, st.snapshot.Payload) {
		return fmt.Sprintf("snapshot %+v, found %v, error %v; want %+v", s, found, err, st.snapshot)
	}
	v, err := m.GetValue(m.ctx, id)
	if err != nil || v.Found != st.value.Found || v.Version != st.value.Version || !same(v.Entry, st.value.Entry) {
		return fmt.Sprintf("value %+v, error %v; want %+v", v, err, st.value)
	}
	return ""
}

func (m *model) reopen(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "really") != 0 { // it takes long
		return
	}
	m.Store = m.su.reopen(m.T, m.Store)
	for h, beat := range m.leases { // a store may keep leases, or end them with its process
		l, alive, err := m.ReadLease(m.ctx, h)
		switch {
		case err != nil:
			t.Fatal(err)
		case !alive:
			m.leases[h] = 0
		case l.Beat != beat:
			t.Fatalf("lease of %s at beat %d, it was at %d", h, l.Beat, beat)
		default:
			if err := m.EndLease(m.ctx, h, beat); err != nil {
				t.Fatal(err)
			}
			m.leases[h] = 0
		}
	}
	m.own(t)
}
