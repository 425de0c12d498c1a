package crashing

import (
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
)

// TestPoints: each write passes the points around it, a failed one only that before it; the trigger goes off once, at the number that was asked for.
func TestPoints(t *testing.T) {
	id := journal.EntityID{Namespace: "n", Key: "k"}
	for point, want := range map[Point]int{BeforePersist: 4, AfterPersist: 3, BeforeSnapshot: 1, AfterSnapshot: 1, BeforeReply: 0, AfterReply: 0} {
		for n := 1; n <= 5; n++ {
			inner := memory.New()
			fence := owned(t, inner)
			fired := 0
			trigger := NewTrigger(point, n)
			trigger.finish = func() { fired++ }
			s := New(inner, trigger)
			if err := s.Append(t.Context(), fence, id, 0, []journal.Entry{{Payload: []byte("x")}}); err != nil {
				t.Fatal(err)
			}
			if err := s.Append(t.Context(), fence, id, 7, []journal.Entry{{Payload: []byte("x")}}); err == nil {
				t.Fatal("an append over a gap is no error")
			}
			version, err := s.PutValue(t.Context(), fence, id, 0, journal.Entry{Payload: []byte("x")})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.DeleteValue(t.Context(), fence, id, version); err != nil {
				t.Fatal(err)
			}
			if err := s.SaveSnapshot(t.Context(), fence, id, journal.Snapshot{Seq: 1, Payload: []byte("x")}); err != nil {
				t.Fatal(err)
			}
			if (fired == 1) != (n <= want) || fired > 1 {
				t.Errorf("%s:%d went off %d times; the point is passed %d times", point, n, fired, want)
			}
		}
	}
}

// owned begins a lease and claims the entity's shard.
func owned(t *testing.T, s journal.Store) journal.Fence {
	t.Helper()
	if err := s.BeginLease(t.Context(), "h", time.Minute); err != nil {
		t.Fatal(err)
	}
	fence, err := s.Claim(t.Context(), 1, 0, "h")
	if err != nil {
		t.Fatal(err)
	}
	return fence
}
