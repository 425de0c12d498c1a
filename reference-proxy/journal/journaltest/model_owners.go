package journaltest

import (
	"errors"

	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// pickHolder draws one that has, or had, a lease, and now and then one that never had.
func (m *model) pickHolder(t *rapid.T) journal.Holder {
	i := rapid.IntRange(-1, len(m.holder)-1).Draw(t, "holder")
	if i < 0 {
		return newHolder()
	}
	return m.holder[len(m.holder)-1-i]
}

// among checks err against the errors that the call may give: any of wants, or nil if
// there is none. It returns whether the change was made.
func among(t *rapid.T, err error, wants ...error) bool {
	t.Helper()
	if len(wants) == 0 && err == nil {
		return true
	}
	for _, want := range wants {
		if errors.Is(err, want) && journal.NotWritten(err) {
			return false
		}
	}
	t.Fatalf("error %v, want one of %v", err, wants)
	return false
}

func (m *model) begin(t *rapid.T) {
	h := newHolder()
	if len(m.holder) > 0 && rapid.Bool().Draw(t, "again") {
		if h = m.holder[len(m.holder)-1]; m.leases[h] == 0 {
			return // a name is used once
		}
		among(t, m.BeginLease(m.ctx, h, leaseLength), journal.ErrConflict)
		return
	}
	if among(t, m.BeginLease(m.ctx, h, leaseLength)) {
		m.leases[h], m.holder = 1, append(m.holder, h)
	}
}

// beatOf draws a beat, which is the right one more often than not.
func (m *model) beatOf(t *rapid.T, h journal.Holder) uint64 { return expect(t, m.leases[h]) }

func (m *model) renew(t *rapid.T) {
	h := m.pickHolder(t)
	beat := m.beatOf(t, h)
	var wants []error
	switch {
	case m.leases[h] == 0:
		wants = append(wants, journal.ErrFenced)
	case m.leases[h] != beat:
		wants = append(wants, journal.ErrConflict)
	}
	if among(t, m.RenewLease(m.ctx, h, beat), wants...) {
		m.leases[h]++
	}
}

func (m *model) end(t *rapid.T) {
	h := m.pickHolder(t)
	beat := m.beatOf(t, h)
	var wants []error
	if m.leases[h] > 0 && m.leases[h] != beat {
		wants = append(wants, journal.ErrConflict)
	}
	if among(t, m.EndLease(m.ctx, h, beat), wants...) && m.leases[h] > 0 {
		m.leases[h] = 0
	}
}

func (m *model) claim(t *rapid.T) {
	i := rapid.IntRange(0, 1).Draw(t, "shard")
	shard, o, h := m.base+journal.Shard(i), m.owners[i], m.pickHolder(t)
	was := journal.Token(expect(t, uint64(o.Token)))
	var wants []error
	if was != o.Token {
		wants = append(wants, journal.ErrConflict)
	}
	if o.Holder != h && m.leases[o.Holder] > 0 {
		wants = append(wants, journal.ErrHeld)
	}
	if m.leases[h] == 0 {
		wants = append(wants, journal.ErrFenced)
	}
	f, err := m.Claim(m.ctx, shard, was, h)
	if !among(t, err, wants...) {
		return
	}
	if f != (journal.Fence{Shard: shard, Token: was + 1, Holder: h}) {
		t.Fatalf("claim after %+v by %s: %+v", o, h, f)
	}
	m.owners[i] = journal.Owner{Token: f.Token, Holder: h}
}

func (m *model) release(t *rapid.T) {
	if rapid.IntRange(0, 2).Draw(t, "really") > 0 {
		return
	}
	i := rapid.IntRange(0, 1).Draw(t, "shard")
	f := journal.Fence{Shard: m.base + journal.Shard(i), Token: m.owners[i].Token, Holder: m.owners[i].Holder}
	wrong := rapid.Bool().Draw(t, "wrong")
	if wrong {
		f.Token -= min(f.Token, 1)
	}
	if err := m.Release(m.ctx, f); err != nil {
		t.Fatalf("release: %v", err)
	}
	if !wrong {
		m.owners[i].Holder = ""
	}
}

func (m *model) compareOwners(t *rapid.T) {
	for i, want := range m.owners {
		if o, err := m.ReadOwner(m.ctx, m.base+journal.Shard(i)); err != nil || o != want {
			t.Fatalf("owner %+v, %v; want %+v", o, err, want)
		}
	}
	for _, h := range m.holder {
		l, alive, err := m.ReadLease(m.ctx, h)
		if err != nil || alive != (m.leases[h] > 0) || l.Beat != m.leases[h] || alive && l.Length != leaseLength {
			t.Fatalf("lease of %s: %+v, %v, %v; want beat %d", h, l, alive, err, m.leases[h])
		}
	}
}
