package journaltest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// party is a process that may believe itself the owner of the shard: a handle of its
// own, and what it remembers.
type party struct {
	name  string
	store journal.Store
	fence journal.Fence
	old   []journal.Fence // fences that it had before
	// adopted is what it holds of the entities that it adopted under its fence.
	adopted map[journal.EntityID]*memory
}

// memory is what an owner keeps of an entity.
type memory struct{ last, version uint64 }

// contest is one run of two parties over one shard, and all that is known for sure.
type contest struct {
	*bench
	t       *rapid.T
	shard   journal.Shard
	newest  journal.Token
	parties []*party
	ids     []journal.EntityID
	logs    map[journal.EntityID]*fact
	values  map[journal.EntityID]*fact
	written int
}

// testTwoOwners: two handles, each of which takes the shard from the other at random and
// writes on as if nothing had happened when it lost it. What was acknowledged stays, in
// its place; what an old owner wrote is not acknowledged, and shows only where nobody has
// adopted past it.
func (su *suite) testTwoOwners(t *testing.T) {
	b := su.bench(t)
	other := su.second(t, b.Store)
	t.Cleanup(func() { _ = other.Close() })
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		c := &contest{
			bench: b, t: rt, shard: journal.Shard(run),
			parties: []*party{{name: "first", store: b.Store}, {name: "second", store: other}},
			logs:    map[journal.EntityID]*fact{}, values: map[journal.EntityID]*fact{},
		}
		for i := range 2 {
			id := journal.EntityID{Namespace: fmt.Sprint("contest ", run), Key: fmt.Sprint(i)}
			c.ids = append(c.ids, id)
			c.logs[id], c.values[id] = &fact{}, &fact{}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"claim": c.claim, "adopt": c.adopt, "adopt more": c.adopt,
			"append": c.append, "append more": c.append, "put": c.put, "put more": c.put, "delete": c.delete,
			"write with an old fence": c.writeOld, "snapshot and prune": c.prune,
			"": c.look,
		})
	})
}

func (c *contest) pick(t *rapid.T) (*party, journal.EntityID) {
	p := rapid.SampledFrom(c.parties).Draw(t, "party")
	return p, rapid.SampledFrom(c.ids).Draw(t, "entity")
}

// claim makes a party the owner, after ending the lease of the other.
func (c *contest) claim(t *rapid.T) {
	p := rapid.SampledFrom(c.parties).Draw(t, "party")
	h := newHolder()
	if err := p.store.BeginLease(c.ctx, h, leaseLength); err != nil {
		t.Fatal(err)
	}
	f, err := claim(c.ctx, p.store, c.shard, h)
	if err != nil {
		t.Fatal(err)
	}
	if f.Token != c.newest+1 {
		t.Fatalf("the %s claimed token %d after %d", p.name, f.Token, c.newest)
	}
	if p.fence.Token > 0 {
		p.old = append(p.old, p.fence)
	}
	p.fence, p.adopted, c.newest = f, map[journal.EntityID]*memory{}, f.Token
}

// judge holds the error of a write of p against what it may be. It returns whether the
// write was made for sure, and whether it may have been.
func (c *contest) judge(t *rapid.T, p *party, err error, conflict bool) (made, maybe bool) {
	t.Helper()
	if p.fence.Token == c.newest {
		if conflict && !errors.Is(err, journal.ErrConflict) || !conflict && err != nil {
			t.Fatalf("the owner's write: %v; conflict is due: %v", err, conflict)
		}
		return err == nil, false
	}
	if err == nil {
		t.Fatalf("the %s wrote with token %d, and it was acknowledged after %d was claimed", p.name, p.fence.Token, c.newest)
	}
	return false, !journal.NotWritten(err)
}

func (c *contest) adopt(t *rapid.T) {
	p, id := c.pick(t)
	if p.adopted == nil {
		return
	}
	log, value := c.readLog(t, p, id), c.readValue(t, p, id)
	m := &memory{last: uint64(len(log)), version: value.Version}
	for f, err := range map[*fact]error{
		c.logs[id]:   p.store.Adopt(c.ctx, p.fence, id, m.last),
		c.values[id]: p.store.AdoptValue(c.ctx, p.fence, id, m.version),
	} {
		if len(f.maybe) > 0 && errors.Is(err, journal.ErrConflict) {
			return // what an old owner wrote appeared after the read
		}
		if made, _ := c.judge(t, p, err, false); !made {
			return
		}
		f.adopt(p.fence.Token)
	}
	p.adopted[id] = m
}

func (c *contest) text(p *party) string {
	c.written++
	return fmt.Sprintf("%d by token %d", c.written, p.fence.Token)
}

func (c *contest) append(t *rapid.T) {
	p, id := c.pick(t)
	m := p.adopted[id]
	if m == nil {
		return // an owner adopts before it writes
	}
	expected := expect(t, m.last)
	if rapid.Bool().Draw(t, "as if up to date") {
		expected = uint64(len(c.logs[id].sure))
	}
	events := make([]string, rapid.IntRange(1, 3).Draw(t, "events"))
	for i := range events {
		events[i] = c.text(p)
	}
	err := p.store.Append(c.ctx, p.fence, id, expected, entries(events...))
	fact := c.logs[id]
	made, maybe := c.judge(t, p, err, expected != uint64(len(fact.sure)))
	next := change{token: p.fence.Token, from: strings.Join(fact.sure, "\n"), to: append(fact.sure[:len(fact.sure):len(fact.sure)], events...)}
	switch {
	case made:
		fact.make(next)
		m.last = uint64(len(fact.sure))
	case maybe && expected == uint64(len(fact.sure)):
		fact.maybe = append(fact.maybe, next)
	}
}

func (c *contest) put(t *rapid.T) {
	p, id := c.pick(t)
	m := p.adopted[id]
	if m == nil {
		return
	}
	fact := c.values[id]
	present := fact.version()
	expected := expect(t, m.version)
	if rapid.Bool().Draw(t, "as if up to date") {
		expected = present
	}
	text := c.text(p)
	version, err := p.store.PutValue(c.ctx, p.fence, id, expected, entry(text))
	made, maybe := c.judge(t, p, err, expected != present)
	if made && version != expected+1 {
		t.Fatalf("put over %d gave %d", expected, version)
	}
	c.changed(m, fact, p.fence.Token, made, maybe && expected == present, []string{fmt.Sprint(expected + 1), text})
}

func (c *contest) delete(t *rapid.T) {
	p, id := c.pick(t)
	m := p.adopted[id]
	if m == nil {
		return
	}
	fact := c.values[id]
	expected := expect(t, m.version)
	made, maybe := c.judge(t, p, p.store.DeleteValue(c.ctx, p.fence, id, expected), expected != fact.version())
	c.changed(m, fact, p.fence.Token, made, maybe && expected == fact.version(), nil)
}

// changed notes a change of a value.
func (c *contest) changed(m *memory, fact *fact, token journal.Token, made, maybe bool, to []string) {
	next := change{token: token, from: strings.Join(fact.sure, "\n"), to: to}
	switch {
	case made:
		fact.make(next)
		m.version = fact.version()
	case maybe:
		fact.maybe = append(fact.maybe, next)
	}
}

// writeOld: a handle through which a newer token was claimed knows that the old is void.
func (c *contest) writeOld(t *rapid.T) {
	p, id := c.pick(t)
	if len(p.old) == 0 {
		return
	}
	f := rapid.SampledFrom(p.old).Draw(t, "fence")
	last := uint64(len(c.logs[id].sure))
	b := *c.bench
	b.Store = p.store
	for _, w := range b.writes(f, id, max(1, last)) {
		if err := w.do(c.ctx); !errors.Is(err, journal.ErrFenced) || !journal.NotWritten(err) {
			t.Fatalf("%s by the %s with token %d, after it claimed %d: %v", w.name, p.name, f.Token, p.fence.Token, err)
		}
	}
}

// prune: an old owner's snapshot and prune are not acknowledged; the owner's are.
func (c *contest) prune(t *rapid.T) {
	p, id := c.pick(t)
	m := p.adopted[id]
	if m == nil || m.last == 0 || p.fence.Token == c.newest {
		return // the model reads logs from their start
	}
	s := journal.Snapshot{Seq: m.last, Payload: []byte("late")}
	if err := p.store.SaveSnapshot(c.ctx, p.fence, id, s); err == nil {
		t.Fatalf("a snapshot with token %d was acknowledged after %d was claimed", p.fence.Token, c.newest)
	}
	if err := p.store.Prune(c.ctx, p.fence, id, m.last+1); err == nil {
		t.Fatalf("a prune with token %d was acknowledged after %d was claimed", p.fence.Token, c.newest)
	}
}

// look reads everything through both handles.
func (c *contest) look(t *rapid.T) {
	for _, p := range c.parties {
		for _, id := range c.ids {
			c.readLog(t, p, id)
			c.readValue(t, p, id)
		}
	}
}

func (c *contest) readLog(t *rapid.T, p *party, id journal.EntityID) []string {
	t.Helper()
	got, err := readAll(c.ctx, p.store, id, 0, journal.Chunk{Records: 7})
	if err != nil {
		t.Fatal(err)
	}
	if wrong := c.logs[id].see(got); wrong != "" {
		t.Fatalf("the %s reads events of %s: %s", p.name, id, wrong)
	}
	return got
}

func (c *contest) readValue(t *rapid.T, p *party, id journal.EntityID) journal.Value {
	t.Helper()
	v, err := p.store.GetValue(c.ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if v.Found {
		got = []string{fmt.Sprint(v.Version), string(v.Payload)}
	}
	if wrong := c.values[id].see(got); wrong != "" {
		t.Fatalf("the %s reads the value of %s: %s", p.name, id, wrong)
	}
	return v
}

// testTwoOwnersRacing is testRacingOwners over two handles, with owners that write until
// they are told that they lost the shard.
func (su *suite) testTwoOwnersRacing(t *testing.T) {
	b := su.bench(t)
	other := su.second(t, b.Store)
	t.Cleanup(func() { _ = other.Close() })
	var acknowledged, claimed ledger
	var mu sync.Mutex
	unknown := map[string]bool{}
	b.race(func(racer int) error {
		s := []journal.Store{b.Store, other}[racer%2]
		for n := range su.effort.Writes {
			h := newHolder()
			if err := s.BeginLease(b.ctx, h, leaseLength); err != nil {
				return err
			}
			f, err := claim(b.ctx, s, 5, h)
			if errors.Is(err, journal.ErrConflict) || errors.Is(err, journal.ErrHeld) {
				continue
			}
			if err != nil {
				return err
			}
			if err := claimed.note(uint64(f.Token), fmt.Sprintf("racer %d's", racer)); err != nil {
				return fmt.Errorf("token %w", err)
			}
			got, err := readAll(b.ctx, s, cart, 0, journal.Chunk{})
			if err != nil {
				return err
			}
			last := uint64(len(got))
			if s.Adopt(b.ctx, f, cart, last) != nil {
				continue
			}
			for i := range 3 {
				text := fmt.Sprintf("%d %d/%d/%d", f.Token, racer, n, i)
				if err := s.Append(b.ctx, f, cart, last, entries(text)); err != nil {
					if !journal.NotWritten(err) {
						mu.Lock()
						unknown[text] = true
						mu.Unlock()
					}
					break
				}
				last++
				if err := acknowledged.note(last, text); err != nil {
					return fmt.Errorf("event %w", err)
				}
			}
		}
		return nil
	})
	newest := journal.Token(0)
	got := b.all(cart, 0, journal.Chunk{})
	for i, text := range got {
		var token journal.Token
		if _, err := fmt.Sscan(text, &token); err != nil {
			t.Fatal(err)
		}
		if token < newest {
			t.Fatalf("event %d, %q, follows one of token %d", i+1, text, newest)
		}
		newest = token
		if acknowledged.told[uint64(i)+1] != text && !unknown[text] {
			t.Fatalf("event %d is %q, acknowledged was %q", i+1, text, acknowledged.told[uint64(i)+1])
		}
	}
	for seq, text := range acknowledged.told {
		if seq > uint64(len(got)) || got[seq-1] != text {
			t.Fatalf("event %d was acknowledged as %q and is not there", seq, text)
		}
	}
	if len(acknowledged.told) == 0 {
		t.Fatal("no owner wrote anything")
	}
}
