package driver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
)

// A command that comes while an instance ends but still writes, here a snapshot, waits for its end and then goes to the
// next one; or until its caller goes, or the proxy stops. The bubble's clock stands still while anybody is busy, so the
// waits here end only if nobody is.
func TestCommandMeetsEndingInstance(t *testing.T) {
	for name, end := range map[string]func(r *rig) (then func()){
		"the lease lapses": func(r *rig) func() { return r.owner.lapse() },
		"drain": func(r *rig) func() {
			drained := make(chan error, 1)
			go func() { drained <- r.host.Drain(context.Background()) }()
			return func() { go func() { must(<-drained) }() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				hold := make(chan struct{})
				r.store.holdSnapshot = hold
				a := r.call(t.Context(), "e", "1", nil)
				s := r.stream()
				s.init(t)
				s.command(t)
				s.snapshots(t, 1, text("event"))
				wantReply(t, <-a)
				synctest.Wait()
				then := end(r)
				synctest.Wait()

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				impatient, b := r.call(ctx, "e", "2", nil), r.call(t.Context(), "e", "3", nil)
				if got := <-impatient; !errors.Is(got.err, context.DeadlineExceeded) {
					t.Errorf("got %+v", got)
				}
				pass(time.Second)
				if len(r.streams.opened) > 0 {
					t.Error("the next instance loads while the one before still writes")
				}
				then()
				close(hold)
				if name == "drain" {
					wantFault(t, <-b, entity.FaultShutdown, "the proxy is stopping")
					return
				}
				s = r.stream()
				if seq := s.init(t).GetSnapshot().GetSnapshotSequence(); seq != 1 {
					t.Errorf("it begins with the snapshot of event %d, want 1", seq)
				}
				if got := string(s.command(t).GetPayload().GetValue()); got != "3" {
					t.Errorf("sent command %q, want the one whose caller is there", got)
				}
				s.reply(t, 1)
				wantReply(t, <-b)
			})
		})
	}
}
