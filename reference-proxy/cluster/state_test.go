package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

// State follows a lease from its first beat over a store that refuses, to its end by somebody else.
func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		n := newNode(store, 6*time.Second, 1, 0, 1, nil)
		defer n.Close()
		synctest.Wait()
		if s := n.State(); !s.Held || s.Left != 5700*time.Millisecond || s.Renewals != 1 || s.Failures != 0 || s.Err != nil || s.Shards != 0 {
			t.Errorf("at first: %+v", s)
		}
		for _, key := range []string{"a", "b", "a"} {
			if _, err := n.Fence(t.Context(), journal.EntityID{Key: key}); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Second)
		if s := n.State(); s.Left != 4700*time.Millisecond || s.Shards != 2 {
			t.Errorf("with two shards: %+v", s)
		}
		n.setOdds(odds{refused: 100})
		pass(10 * time.Second)
		if s := n.State(); s.Held || s.Left != 0 || s.Failures < 3 || s.Err == nil {
			t.Errorf("with a store that refuses: %+v", s)
		}
		n.setOdds(odds{})
		pass(5 * time.Second)
		if s := n.State(); !s.Held || s.Err != nil || s.Renewals < 2 || s.Losses != 0 || s.Shards != 2 {
			t.Errorf("with a store that does again: %+v", s)
		}
		n.pauseProcess()
		h := n.mine.Load().holder
		l, _, err := store.ReadLease(t.Context(), h)
		if err == nil {
			err = store.EndLease(t.Context(), h, l.Beat)
		}
		if err != nil {
			t.Fatal(err)
		}
		n.resumeProcess()
		pass(10 * time.Second)
		if s := n.State(); s.Losses != 1 || !s.Held || s.Shards != 0 {
			t.Errorf("after another node ended its lease: %+v", s)
		}
	})
}
