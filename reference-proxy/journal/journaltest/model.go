package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// model is what a store should hold: the plainest thing that keeps the promises.
type model struct {
	t      *rapid.T
	ctx    context.Context
	store  journal.Store
	ids    []journal.EntityID
	base   journal.Shard // of this run's shards; entity i is in shard base + i%2
	tokens [2]journal.Token
	states map[journal.EntityID]*state
}

type state struct {
	events   []string
	snapshot journal.Snapshot
	value    journal.Value
}

// testModel runs random calls against the store and the model and compares every answer.
// All runs share one store, each with entities and shards of its own.
func (su *suite) testModel(t *testing.T) {
	b := su.bench(t)
	store := b.Store
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &model{t: rt, ctx: b.ctx, store: store, base: journal.Shard(2 * run), states: map[journal.EntityID]*state{}}
		for range 4 {
			part := rapid.StringOfN(rapid.SampledFrom([]rune("a\x00\x01ÿ|")), 0, 3, -1)
			id := journal.EntityID{Namespace: fmt.Sprintf("%s\x00%d", part.Draw(rt, "namespace"), run), Key: part.Draw(rt, "key")}
			if m.states[id] == nil {
				m.states[id] = &state{}
				m.ids = append(m.ids, id)
			}
		}
		actions := map[string]func(*rapid.T){
			"claim":    m.claim,
			"append":   m.append,
			"read":     m.read,
			"snapshot": m.snapshot,
			"put":      m.put,
			"delete":   m.delete,
			"":         m.compare,
		}
		if su.reopen != nil {
			actions["reopen"] = func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "really") == 0 { // it takes long
					m.store = su.reopen(t, m.store)
					store = m.store
				}
			}
		}
		rt.Repeat(actions)
	})
	if err := store.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// pick draws an entity, and a fence that is the right one more often than not. stale is
// whether it is not.
func (m *model) pick(t *rapid.T) (id journal.EntityID, st *state, f journal.Fence, stale bool) {
	i := rapid.IntRange(0, len(m.ids)-1).Draw(t, "entity")
	newest := m.tokens[i%2]
	f = journal.Fence{Shard: m.base + journal.Shard(i%2), Token: newest}
	switch rapid.IntRange(0, 9).Draw(t, "fence") {
	case 0:
		f.Token += journal.Token(rapid.IntRange(1, 2).Draw(t, "tokens ahead"))
	case 1:
		f.Token -= min(f.Token, 1)
	}
	return m.ids[i], m.states[m.ids[i]], f, newest == 0 || f.Token != newest
}

// expect draws what a writer believes to be the newest.
func expect(t *rapid.T, newest uint64) uint64 {
	if rapid.IntRange(0, 3).Draw(t, "wrong") > 0 {
		return newest
	}
	return rapid.Uint64Range(0, newest+2).Draw(t, "expected")
}

// check compares a write's error with the model's, and says whether it was written.
func (m *model) check(t *rapid.T, err error, stale, conflict bool) bool {
	var want error
	switch {
	case stale:
		want = journal.ErrFenced
	case conflict:
		want = journal.ErrConflict
	}
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	return want == nil
}

func (m *model) claim(t *rapid.T) {
	i := rapid.IntRange(0, 1).Draw(t, "shard")
	f, err := m.store.Claim(m.ctx, m.base+journal.Shard(i))
	if err != nil || f.Shard != m.base+journal.Shard(i) || f.Token <= m.tokens[i] {
		t.Fatalf("claim after token %d: %+v, %v", m.tokens[i], f, err)
	}
	m.tokens[i] = f.Token
}

var payload = rapid.SliceOfN(rapid.Byte(), 0, 20)

func (m *model) append(t *rapid.T) {
	id, st, f, stale := m.pick(t)
	expected := expect(t, uint64(len(st.events)))
	payloads := rapid.SliceOfN(payload, 0, 4).Draw(t, "payloads")
	err := m.store.Append(m.ctx, f, id, expected, payloads)
	if m.check(t, err, stale, expected != uint64(len(st.events))) {
		for _, p := range payloads {
			st.events = append(st.events, string(p))
		}
	}
}

func (m *model) read(t *rapid.T) {
	id, st, _, _ := m.pick(t)
	after := rapid.Uint64Range(0, uint64(len(st.events))+2).Draw(t, "after")
	max := journal.Chunk{
		Records: rapid.IntRange(0, 5).Draw(t, "records"),
		Bytes:   rapid.IntRange(0, 30).Draw(t, "bytes"),
	}
	recs, more, err := m.store.Read(m.ctx, id, after, max)
	if err != nil {
		t.Fatal(err)
	}
	max = max.WithDefaults()
	var want []string
	size := 0
	rest := st.events[min(after, uint64(len(st.events))):]
	for _, e := range rest {
		size += len(e)
		if len(want) > 0 && (len(want) == max.Records || size > max.Bytes) {
			break
		}
		want = append(want, e)
	}
	got := make([]string, len(recs))
	for i, r := range recs {
		if r.Seq != after+uint64(i)+1 {
			t.Fatalf("record %d after %d has sequence number %d", i, after, r.Seq)
		}
		got[i] = string(r.Payload)
	}
	if !slices.Equal(got, want) || more != (len(want) < len(rest)) {
		t.Fatalf("read after %d, %+v: %q, more %v; want %q of %q", after, max, got, more, want, rest)
	}
}

func (m *model) snapshot(t *rapid.T) {
	id, st, f, stale := m.pick(t)
	s := journal.Snapshot{
		Seq:     rapid.Uint64Range(1, uint64(len(st.events))+2).Draw(t, "seq"),
		Payload: payload.Draw(t, "payload"),
	}
	err := m.store.SaveSnapshot(m.ctx, f, id, s)
	if m.check(t, err, stale, s.Seq > uint64(len(st.events))) && s.Seq > st.snapshot.Seq {
		st.snapshot = s
	}
}

func (m *model) put(t *rapid.T) {
	id, st, f, stale := m.pick(t)
	expected, p := expect(t, st.value.Version), payload.Draw(t, "payload")
	version, err := m.store.PutValue(m.ctx, f, id, expected, p)
	if m.check(t, err, stale, expected != st.value.Version) {
		if version != expected+1 {
			t.Fatalf("put over %d gave version %d", expected, version)
		}
		st.value = journal.Value{Version: version, Payload: p, Found: true}
	}
}

func (m *model) delete(t *rapid.T) {
	id, st, f, stale := m.pick(t)
	expected := expect(t, st.value.Version)
	err := m.store.DeleteValue(m.ctx, f, id, expected)
	if m.check(t, err, stale, expected != st.value.Version) {
		st.value = journal.Value{}
	}
}

// compare holds everything stored against the model.
func (m *model) compare(t *rapid.T) {
	for id, st := range m.states {
		recs, more, err := m.store.Read(m.ctx, id, 0, journal.Chunk{Records: 1 << 20, Bytes: 1 << 30})
		if err != nil || more || len(recs) != len(st.events) {
			t.Fatalf("%s: %d events, more %v, error %v; want %d", id, len(recs), more, err, len(st.events))
		}
		for i, r := range recs {
			if string(r.Payload) != st.events[i] {
				t.Fatalf("%s: event %d is %q, want %q", id, r.Seq, r.Payload, st.events[i])
			}
		}
		s, found, err := m.store.LatestSnapshot(m.ctx, id)
		if err != nil || found != (st.snapshot.Seq > 0) || s.Seq != st.snapshot.Seq || !bytes.Equal(s.Payload, st.snapshot.Payload) {
			t.Fatalf("%s: snapshot %+v, found %v, error %v; want %+v", id, s, found, err, st.snapshot)
		}
		v, err := m.store.GetValue(m.ctx, id)
		if err != nil || v.Found != st.value.Found || v.Version != st.value.Version || !bytes.Equal(v.Payload, st.value.Payload) {
			t.Fatalf("%s: value %+v, error %v; want %+v", id, v, err, st.value)
		}
	}
}
