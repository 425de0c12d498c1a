package driver

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

const damagedText = `what is stored of entity "svc" "e" is damaged; it is not served until that is mended`

// A damaged entity is refused without a look at the store, tried again after a pause that grows, and served when it is
// mended; others go on all the time.
func TestQuarantine(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		damage := &journal.CorruptError{Path: "the disk", ID: journal.EntityID{Namespace: "svc", Key: "e"}, What: "event 3 is missing"}
		r.owner.refuse = damage
		began := time.Now()
		refused := func(loads int) {
			t.Helper()
			wantFault(t, <-r.call(t.Context(), "e", "1", nil), entity.FaultDamaged, damagedText)
			synctest.Wait()
			list := r.host.Quarantined()
			if len(list) != 1 || list[0].Tries != loads || list[0].Reason != damage.Error() || list[0].Service != "Svc" || !list[0].Since.Equal(began) || list[0].ID != damage.ID {
				t.Fatalf("after %d loads: %+v", loads, list)
			}
		}
		refused(1)
		refused(1)
		pass(quarantineFirst - time.Nanosecond)
		refused(1)
		pass(time.Nanosecond)
		refused(2)
		pass(2*quarantineFirst - time.Nanosecond)
		refused(2)
		pass(time.Nanosecond)
		refused(3)
		for range 20 {
			pass(quarantineMost)
			wantFault(t, <-r.call(t.Context(), "e", "1", nil), entity.FaultDamaged, damagedText)
		}
		refused(23) // the pause has a bound

		r.owner.refuse = nil
		refused(23)
		a := r.call(t.Context(), "other", "1", nil)
		other := r.stream()
		other.init(t)
		other.command(t)
		other.reply(t, 1)
		wantReply(t, <-a)
		if n := r.host.Retry(func(id journal.EntityID) bool { return id.Key == "other" }); n != 0 {
			t.Errorf("%d of others to try again", n)
		}
		refused(23)
		if n := r.host.Retry(func(id journal.EntityID) bool { return id.Key == "e" }); n != 1 {
			t.Errorf("%d to try again", n)
		}
		b := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		s.reply(t, 1)
		wantReply(t, <-b)
		if list := r.host.Quarantined(); len(list) != 0 {
			t.Errorf("still there: %+v", list)
		}
	})
}

// Damage that a write meets counts like damage that a load meets.
func TestWriteMeetsDamage(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		r.store.append = &journal.CorruptError{What: "its row is missing"}
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		s.reply(t, 1, text("lost"))
		wantFault(t, <-a, entity.FaultDamaged, damagedText)
		synctest.Wait()
		wantFault(t, <-r.call(t.Context(), "e", "2", nil), entity.FaultDamaged, damagedText)
		if len(r.streams.opened) > 0 {
			t.Error("a stream was opened")
		}
	})
}

// Events that were removed and no snapshot that stands for them is damage.
func TestPrunedWithoutSnapshot(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		id := journal.EntityID{Namespace: "svc", Key: "e"}
		f, err := r.owner.Fence(t.Context(), id)
		if err == nil {
			err = r.store.Begin(t.Context(), f, id, 7)
		}
		if err != nil {
			t.Fatal(err)
		}
		wantFault(t, <-r.call(t.Context(), "e", "1", nil), entity.FaultDamaged, damagedText)
		if list := r.host.Quarantined(); len(list) != 1 || !strings.Contains(list[0].Reason, "events were removed, and no snapshot stands for them") {
			t.Errorf("%+v", list)
		}
	})
}

// The list is bounded; what has no room in it is refused all the same.
func TestQuarantineIsBounded(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		r.owner.refuse = fmt.Errorf("%s: %w", strings.Repeat("long ", 1000), &journal.CorruptError{What: "event 1 is missing"})
		for n := range quarantineRoom + 5 {
			a := <-r.call(t.Context(), fmt.Sprint("e", n), "1", nil)
			if fault := a.outcome.Fault; fault == nil || fault.Class != entity.FaultDamaged {
				t.Fatalf("entity %d: %+v", n, a)
			}
		}
		list := r.host.Quarantined()
		if len(list) != quarantineRoom || len(list[0].Reason) > 2*reasonBytes {
			t.Errorf("%d are listed, a reason has %d bytes", len(list), len(list[0].Reason))
		}
	})
}
