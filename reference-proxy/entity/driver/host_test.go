package driver

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/userfunction"
)

// pass lets d of the bubble's virtual time go by.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // waits for nothing: in a synctest bubble this is how the clock is moved
}

// Every test runs in a bubble with virtual time; the bubble also fails when a
// goroutine is left behind.
func inBubble(t *testing.T, change func(*Config), test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, change)
		test(t, r)
		go func() {
			for s := range r.streams.opened {
				go func() { <-s.closed; s.complete(errEOF) }()
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = r.host.Drain(ctx)
		close(r.streams.opened)
		if n := r.host.Active(); n != 0 {
			t.Errorf("%d instances are left", n)
		}
	})
}

// ES-45, ES-47, ES-55, ES-66: an idle instance is half-closed on time, the next
// command gets a new stream with the whole journal, and a user function that never
// completes is cancelled.
func TestPassivation(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		began := time.Now()
		s.reply(t, 1, text("a"), text("b"), text("c"))
		wantReply(t, <-a)
		<-s.closed
		if after := time.Since(began); after != 30*time.Second {
			t.Errorf("half-closed after %v, want 30s", after)
		}
		// It does not complete its side; a command meanwhile gets a new stream.
		b := r.call(t.Context(), "e", "2", nil)
		s2 := r.stream()
		s2.init(t)
		for seq := int64(1); seq <= 3; seq++ {
			if got := s2.next(t).GetEvent().GetSequence(); got != seq {
				t.Fatalf("replayed %d, want %d", got, seq)
			}
		}
		if id := s2.command(t).GetId(); id != 1 {
			t.Errorf("command id %d, want 1", id)
		}
		s2.reply(t, 1)
		wantReply(t, <-b)
		<-s.cancelled
		if after := time.Since(began); after != 35*time.Second {
			t.Errorf("cancelled after %v, want 35s", after)
		}
	})
}

// ES-46: traffic keeps an instance.
func TestCommandsKeepAnInstance(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		for id := int64(1); id <= 5; id++ {
			s.command(t)
			pass(20 * time.Second) // the user function takes its time
			s.reply(t, id)
			wantReply(t, <-a)
			pass(20 * time.Second)
			a = r.call(t.Context(), "e", fmt.Sprint(id), nil)
		}
		s.command(t)
		select {
		case <-s.closed:
			t.Error("half-closed although it was in use")
		default:
		}
		s.reply(t, 6)
		wantReply(t, <-a)
	})
}

// LIM-06: a command that is never answered.
func TestNeverAnswered(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		synctest.Wait()
		b := r.call(t.Context(), "e", "2", nil)
		began := time.Now()
		wantFault(t, <-a, entity.FaultTimeout, "the user function did not answer within 1m0s")
		if after := time.Since(began); after != time.Minute {
			t.Errorf("answered after %v, want 1m", after)
		}
		wantFault(t, <-b, entity.FaultProtocol, "Entity terminated")
		<-s.cancelled
		c := r.call(t.Context(), "e", "3", nil)
		s = r.stream()
		s.init(t)
		s.command(t)
		s.reply(t, 1)
		wantReply(t, <-c)
	})
}

// LIM-06: a command's time begins when it is sent, not while it waits for something of the command before it.
func TestTimeBeginsWhenSent(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		r.store.holdSnapshot = make(chan struct{})
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		b := r.call(t.Context(), "e", "2", nil)
		synctest.Wait()
		s.snapshots(t, 1, text("event"))
		wantReply(t, <-a)
		pass(90 * time.Second)
		close(r.store.holdSnapshot)
		s.command(t)
		pass(59 * time.Second)
		s.reply(t, 2)
		wantReply(t, <-b)
	})
}

// GAP-39, LIM-05: a replay goes at the user function's pace, and only one that stands
// still fails.
func TestSlowReplay(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		id := journal.EntityID{Namespace: "svc", Key: "e"}
		f, _ := r.host.owner.Fence(t.Context(), id)
		for i := range 20 {
			if err := r.store.Append(t.Context(), f, id, uint64(i), []journal.Entry{{}}); err != nil {
				t.Fatal(err)
			}
		}
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		for seq := int64(1); seq <= 20; seq++ {
			pass(50 * time.Second)
			if got := s.next(t).GetEvent().GetSequence(); got != seq {
				t.Fatalf("replayed %d, want %d", got, seq)
			}
		}
		s.command(t)
		s.reply(t, 1)
		wantReply(t, <-a)

		// A second entity with as long a journal is not read at all.
		id.Key = "stuck"
		f, _ = r.host.owner.Fence(t.Context(), id)
		for i := range 20 {
			if err := r.store.Append(t.Context(), f, id, uint64(i), []journal.Entry{{}}); err != nil {
				t.Fatal(err)
			}
		}
		b := r.call(t.Context(), "stuck", "1", nil)
		wantFault(t, <-b, entity.FaultTimeout, "the user function did not answer within 1m0s")
		<-r.stream().cancelled
	})
}

// GAP-24, FWD-29: the caller goes. A queued command is never sent; one that was sent
// completes, and its outcome is told.
func TestCallerGoes(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(t.Context())
		late := make(chan entity.Outcome, 1)
		a := r.call(ctx, "e", "1", func(o entity.Outcome) { late <- o })
		s := r.stream()
		s.init(t)
		s.command(t)
		b := r.call(ctx, "e", "2", func(entity.Outcome) { t.Error("a command that was never sent had an outcome") })
		synctest.Wait()
		c := r.call(t.Context(), "e", "3", nil)
		synctest.Wait()
		cancel()
		for _, ch := range []<-chan answer{a, b} {
			if got := <-ch; !errors.Is(got.err, context.Canceled) {
				t.Errorf("got %v, want cancelled", got.err)
			}
		}
		s.reply(t, 1, text("kept"))
		if o := <-late; o.Reply == nil {
			t.Errorf("late outcome %+v, want a reply", o)
		}
		if got := string(s.command(t).GetPayload().GetValue()); got != "3" {
			t.Errorf("sent command %q, want the one whose caller is there", got)
		}
		s.reply(t, 2)
		wantReply(t, <-c)
		recs, _, _ := r.store.Read(t.Context(), journal.EntityID{Namespace: "svc", Key: "e"}, 0, journal.Chunk{Records: 9, Bytes: 99})
		if len(recs) != 1 {
			t.Errorf("%d events stored, want the one of the abandoned command", len(recs))
		}
	})
}

// ES-34, ES-62: a restart opens a new stream at once, and what the old one still
// brings counts for nothing.
func TestRestart(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		s.fail(t, 1, true)
		if got := <-a; got.outcome.Failure.GetDescription() != "no" {
			t.Fatalf("got %+v", got)
		}
		<-s.closed
		s2 := r.stream() // without a command
		s2.init(t)
		s.reply(t, 1) // late output of the old stream
		s.complete(errEOF)
		synctest.Wait()
		b := r.call(t.Context(), "e", "2", nil)
		if id := s2.command(t).GetId(); id != 1 {
			t.Errorf("command id %d, want 1 on the new stream", id)
		}
		s2.reply(t, 1)
		wantReply(t, <-b)
	})
}

// Limits: the queue of an instance (LIM-12) and the instances of the node (SERV-37).
func TestLimits(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		a := r.call(t.Context(), "e", "1", nil)
		s := r.stream()
		s.init(t)
		s.command(t)
		b := r.call(t.Context(), "e", "2", nil)
		c := r.call(t.Context(), "e", "3", nil)
		synctest.Wait()
		wantFault(t, <-r.call(t.Context(), "e", "4", nil), entity.FaultOverload, "entity [e] has 2 commands waiting, which is the limit")
		var others []<-chan answer
		for _, id := range []string{"f", "g"} {
			others = append(others, r.call(t.Context(), id, "", nil))
			synctest.Wait() // so their streams come in this order
		}
		wantFault(t, <-r.call(t.Context(), "h", "", nil), entity.FaultOverload, "3 entity instances are active, which is the limit")
		for id := int64(1); id <= 3; id++ {
			if id > 1 {
				s.command(t)
			}
			s.reply(t, id)
		}
		for _, ch := range []<-chan answer{a, b, c} {
			wantReply(t, <-ch)
		}
		for _, ch := range others {
			s := r.stream()
			s.init(t)
			s.command(t)
			s.reply(t, 1)
			wantReply(t, <-ch)
		}
	})
}

// ES-61: a write that failed, for sure or perhaps, ends the instance; the next command
// reads what is really there.
func TestStoreFails(t *testing.T) {
	for name, c := range map[string]struct {
		fail  error
		class entity.FaultClass
		text  string
	}{
		"fenced off":   {journal.ErrFenced, entity.FaultStoreUnavailable, textTakenOver},
		"conflict":     {journal.ErrConflict, entity.FaultStoreUnavailable, textTakenOver},
		"unreachable":  {journal.ErrUnavailable, entity.FaultStoreUnavailable, textNotWritten},
		"unknown":      {journal.ErrUnknownOutcome, entity.FaultStoreUnavailable, textUnknown},
		"anything":     {errors.New("disk on fire"), entity.FaultStoreUnavailable, textUnknown},
		"unknown late": {fmt.Errorf("%w: %w", journal.ErrUnknownOutcome, context.DeadlineExceeded), entity.FaultStoreUnavailable, textUnknown},
		"too large":    {journal.ErrTooLarge, entity.FaultStore, "Unexpected entity failure"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				r.store.append = c.fail
				a := r.call(t.Context(), "e", "1", nil)
				s := r.stream()
				s.init(t)
				s.command(t)
				b := r.call(t.Context(), "e", "2", nil)
				synctest.Wait()
				s.reply(t, 1, text("lost"))
				wantFault(t, <-a, c.class, c.text)
				if c.class == entity.FaultStoreUnavailable {
					wantFault(t, <-b, c.class, "a command before this one could not be stored; this one was not carried out, try again")
				} else {
					wantFault(t, <-b, entity.FaultProtocol, "Entity terminated")
				}
				<-s.cancelled
				r.store.mu.Lock()
				r.store.append = nil
				r.store.mu.Unlock()
				c := r.call(t.Context(), "e", "3", nil)
				s = r.stream()
				s.init(t)
				s.command(t)
				s.reply(t, 1, text("kept"))
				wantReply(t, <-c)
			})
		})
	}
	t.Run("full", func(t *testing.T) {
		inBubble(t, nil, func(t *testing.T, r *rig) {
			r.store.append = &journal.FullError{}
			a := r.call(t.Context(), "e", "1", nil)
			s := r.stream()
			s.init(t)
			s.command(t)
			s.reply(t, 1, text("lost"))
			wantFault(t, <-a, entity.FaultStoreFull, "the store is full: Unexpected entity failure")
		})
	})
}

// ES-40, ES-58, SERV-36: a stream that was ended, a connection that was lost, and one
// that was never there.
func TestUserFunctionGoes(t *testing.T) {
	for name, c := range map[string]struct {
		end    error
		class  entity.FaultClass
		report bool
	}{
		"ended":  {errEOF, entity.FaultProtocol, true},
		"status": {errors.New("aborted"), entity.FaultProtocol, true},
		"lost":   {userfunction.ErrUnavailable, entity.FaultUnavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				a := r.call(t.Context(), "e", "1", nil)
				s := r.stream()
				s.init(t)
				s.command(t)
				b := r.call(t.Context(), "e", "2", nil)
				synctest.Wait()
				s.complete(c.end)
				wantFault(t, <-a, c.class, "Unexpected entity termination")
				wantFault(t, <-b, c.class, "Entity terminated")
			})
		})
	}
	t.Run("not there", func(t *testing.T) {
		inBubble(t, nil, func(t *testing.T, r *rig) {
			r.streams.refuse = userfunction.ErrUnavailable
			wantFault(t, <-r.call(t.Context(), "e", "1", nil), entity.FaultUnavailable, "the user function cannot be reached")
			r.streams.refuse = userfunction.ErrNoRoom
			wantFault(t, <-r.call(t.Context(), "e", "1", nil), entity.FaultOverload, userfunction.ErrNoRoom.Error())
		})
	})
}

// OPS-07, OPS-14: a drain waits for what is in flight, half-closes idle streams,
// refuses new instances, and cuts off what does not end in time.
func TestDrain(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		idle := r.call(t.Context(), "idle", "1", nil)
		si := r.stream()
		si.init(t)
		si.command(t)
		si.reply(t, 1)
		wantReply(t, <-idle)
		busy := r.call(t.Context(), "busy", "1", nil)
		sb := r.stream()
		sb.init(t)
		sb.command(t)
		stuck := r.call(t.Context(), "stuck", "1", nil)
		ss := r.stream()
		ss.init(t)
		ss.command(t)

		drained := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		go func() { drained <- r.host.Drain(ctx) }()
		<-si.closed
		si.complete(errEOF)
		wantFault(t, <-r.call(t.Context(), "new", "1", nil), entity.FaultShutdown, "the proxy is stopping")
		sb.reply(t, 1, text("kept"))
		wantReply(t, <-busy)
		<-sb.closed
		sb.complete(errEOF)
		wantFault(t, <-stuck, entity.FaultProtocol, "Unexpected entity termination")
		if err := <-drained; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drained with %v, want a deadline", err)
		}
	})
}
