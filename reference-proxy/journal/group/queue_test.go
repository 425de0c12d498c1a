package group_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/group"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// item is key and name in one: "a1" has the key 'a'.
type item string

func keyOf(i item) byte { return i[0] }

// stage is a queue whose groups stand still until they are let go.
type stage struct {
	*group.Queue[byte, item]
	started chan []item
	release chan []error
}

func newStage(o group.Options[byte, item]) *stage {
	s := &stage{started: make(chan []item, 100), release: make(chan []error)}
	o.Run = func(items []item) []error {
		s.started <- slices.Clone(items)
		return <-s.release
	}
	if o.Key == nil {
		o.Key = keyOf
	}
	s.Queue = group.New(o)
	return s
}

// TestObserved: each group's size is told, before it is carried out.
func TestObserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		s := newStage(group.Options[byte, item]{Observe: func(n int) { sizes = append(sizes, n) }})
		s.do(t.Context(), "a1", "b1", "c1", "a2")
		s.begun(t, "a1")
		s.release <- nil
		s.begun(t, "b1", "c1", "a2")
		s.release <- nil
		synctest.Wait()
		if !slices.Equal(sizes, []int{1, 3}) {
			t.Errorf("told of groups of %d, want 1 and 3", sizes)
		}
	})
}

// do brings items one after the other, each by a caller of its own.
func (s *stage) do(ctx context.Context, items ...item) []chan error {
	var out []chan error
	for _, i := range items {
		done := make(chan error, 1)
		out = append(out, done)
		go func() { done <- s.Do(ctx, i) }()
		synctest.Wait()
	}
	return out
}

func (s *stage) begun(t *testing.T, want ...item) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-s.started:
		if !slices.Equal(got, want) {
			t.Fatalf("group %v started, want %v", got, want)
		}
	default:
		if want != nil {
			t.Fatalf("no group started, want %v", want)
		}
	}
}

func (s *stage) none(t *testing.T) { t.Helper(); s.begun(t) }

func outcome(t *testing.T, done chan error, want error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		if !errors.Is(err, want) {
			t.Fatalf("outcome %v, want %v", err, want)
		}
	default:
		t.Fatalf("no outcome yet, want %v", want)
	}
}

func pending(t *testing.T, done chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		t.Fatalf("outcome %v, want none yet", err)
	default:
	}
}

func TestFirstStartsAloneAndTheRestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(group.Options[byte, item]{})
		bad := errors.New("bad")
		done := s.do(t.Context(), "a", "b", "c", "d")
		s.begun(t, "a")
		s.none(t)
		s.release <- nil
		outcome(t, done[0], nil)
		s.begun(t, "b", "c", "d")
		s.release <- []error{nil, bad, nil}
		outcome(t, done[1], nil)
		outcome(t, done[2], bad)
		outcome(t, done[3], nil)
		s.none(t)
	})
}

func TestOneKeyIsNeverUnderWayTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(group.Options[byte, item]{Running: 3})
		s.do(t.Context(), "a1", "a2", "b1", "a3", "b2", "c1")
		s.begun(t, "a1")
		s.begun(t, "b1")
		s.begun(t, "c1")
		s.none(t)
		s.release <- nil // whichever it is: the next of its key may go
		s.release <- nil
		s.release <- nil
		synctest.Wait()
		var got []item
		for len(s.started) > 0 {
			got = append(got, <-s.started...)
			s.release <- nil
			synctest.Wait()
		}
		if want := []item{"a2", "b2", "a3"}; !sameOrderPerKey(got, want) {
			t.Fatalf("started %v, want each key's in order of %v", got, want)
		}
	})
}

func sameOrderPerKey(got, want []item) bool {
	byKey := func(items []item) map[byte][]item {
		m := map[byte][]item{}
		for _, i := range items {
			m[keyOf(i)] = append(m[keyOf(i)], i)
		}
		return m
	}
	return fmt.Sprint(byKey(got)) == fmt.Sprint(byKey(want))
}

func TestBusyKeyHoldsNobodyElseUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(group.Options[byte, item]{Running: 2, MaxItems: 2})
		s.do(t.Context(), "a1", "a2", "a3", "b1")
		s.begun(t, "a1")
		s.begun(t, "b1")
		s.do(t.Context(), "b2", "c1", "d1")
		s.none(t)
		s.release <- nil // a1 or b1: what was freed and came first goes along with c1
		synctest.Wait()
		first := <-s.started
		if len(first) != 2 || (first[0] != "a2" && first[0] != "b2") || first[1] != "c1" {
			t.Fatalf("%v started", first)
		}
		for range 4 {
			select {
			case s.release <- nil:
			default:
			}
			synctest.Wait()
		}
		s.Close()
	})
}

// later lets the bubble's clock go on.
func later(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // waits for nothing: in a synctest bubble this is how the clock is moved
}

// TestSlowGroupLosesItsPlace: a group that takes longer than patience holds up none but items of its keys, and when it
// ends they start, without one group too many.
func TestSlowGroupLosesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(group.Options[byte, item]{Patience: time.Second})
		slow := s.do(t.Context(), "a1", "a2", "b1")
		s.begun(t, "a1")
		later(time.Second - 1)
		s.none(t)
		later(1)
		s.begun(t, "b1") // a1 is still under way
		s.do(t.Context(), "c1")
		s.none(t)
		s.release <- nil // a1, which waits longest
		outcome(t, slow[0], nil)
		s.none(t) // b1 has the place
		s.release <- nil
		s.begun(t, "a2", "c1")
		s.do(t.Context(), "d1")
		s.none(t)
		s.release <- nil
		s.begun(t, "d1")
		s.release <- nil
		s.Close()
		later(time.Hour)
		s.none(t)
	})
}

// TestFullGroupsDoNotWait: one that cannot grow starts beyond Running, up to RunningFull; one that can waits.
func TestFullGroupsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(group.Options[byte, item]{Running: 1, RunningFull: 3, MaxItems: 2})
		s.do(t.Context(), "a", "b")
		s.begun(t, "a")
		s.none(t)
		s.do(t.Context(), "c")
		s.begun(t, "b", "c")
		s.do(t.Context(), "d", "e")
		s.begun(t, "d", "e")
		s.do(t.Context(), "f", "g", "h")
		s.none(t)
		s.release <- nil
		s.begun(t, "f", "g")
		s.none(t)
		s.release <- nil
		s.none(t) // two are under way, and h alone
		s.release <- nil
		s.none(t)
		s.release <- nil
		s.begun(t, "h")
		s.release <- nil
	})
}

// TestThoseSetFreeTogetherGoOnTogether: what one queue's group sets free makes one group of the next queue, not one and a rest.
func TestThoseSetFreeTogetherGoOnTogether(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // who is ready runs in turn
	synctest.Test(t, func(t *testing.T) {
		write, confirm := newStage(group.Options[byte, item]{}), newStage(group.Options[byte, item]{})
		for _, i := range []item{"a", "b", "c", "d"} {
			go func() { _ = errors.Join(write.Do(t.Context(), i), confirm.Do(t.Context(), i)) }()
			synctest.Wait()
		}
		write.begun(t, "a")
		write.release <- nil
		confirm.begun(t, "a")
		confirm.release <- nil
		write.begun(t, "b", "c", "d")
		write.release <- nil
		synctest.Wait()
		if got := <-confirm.started; len(got) != 3 {
			t.Errorf("%v started, want the three that were set free", got)
		}
		confirm.release <- nil
	})
}

// TestFullOfBytes: what waits may fill a group by its size, too; what was taken back does not.
func TestFullOfBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(group.Options[byte, item]{Running: 1, RunningFull: 2, MaxBytes: 6, Size: func(i item) int { return len(i) }})
		s.do(t.Context(), "a", "b23")
		s.begun(t, "a")
		s.none(t)
		ctx, cancel := context.WithCancel(t.Context())
		s.do(ctx, "c2")
		cancel()
		synctest.Wait()
		s.do(t.Context(), "d2")
		s.none(t)
		s.do(t.Context(), "e")
		s.begun(t, "b23", "d2", "e")
		for range 2 {
			s.release <- nil
		}
	})
}

func TestBoundsOfAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(group.Options[byte, item]{
			MaxItems: 3, MaxBytes: 10,
			Size: func(i item) int { return len(i) - 1 },
		})
		s.do(t.Context(), "a", "b123456", "c12345", "d", "e12345678901234567890", "f", "g", "h", "i")
		s.begun(t, "a")
		for _, want := range [][]item{{"b123456"}, {"c12345", "d"}, {"e12345678901234567890"}, {"f", "g", "h"}, {"i"}} {
			s.release <- nil
			s.begun(t, want...)
		}
		s.release <- nil
	})
}

func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(group.Options[byte, item]{MaxWaiting: 2})
		done := s.do(t.Context(), "a", "b", "c", "d")
		outcome(t, done[3], journal.ErrUnavailable)
		pending(t, done[2])
		s.release <- nil
		s.release <- nil
		outcome(t, done[2], nil)
		if err := s.do(t.Context(), "e")[0]; len(s.started) == 0 {
			t.Fatal("the queue does not take items again")
		} else {
			s.release <- nil
			outcome(t, err, nil)
		}
	})
}

func TestWithdrawnBeforeItStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(group.Options[byte, item]{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		running := s.do(ctx, "a")[0]
		waiting := s.do(ctx, "b", "a2")
		s.do(t.Context(), "c")
		s.begun(t, "a")
		<-ctx.Done()
		synctest.Wait()
		for _, w := range waiting {
			select {
			case err := <-w:
				if !errors.Is(err, context.DeadlineExceeded) || !journal.NotWritten(err) {
					t.Fatalf("withdrawn with %v", err)
				}
			default:
				t.Fatal("still waiting after its context ended")
			}
		}
		pending(t, running) // it started: its outcome is awaited
		s.release <- nil
		outcome(t, running, nil)
		s.begun(t, "c")
		s.release <- nil
		outcome(t, s.do(ctx, "d")[0], context.DeadlineExceeded)
		s.none(t)
	})
}

func TestCloseWaitsAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(group.Options[byte, item]{})
		done := s.do(t.Context(), "a", "b")
		closed := make(chan error, 1)
		go func() { s.Close(); closed <- nil }()
		pending(t, closed)
		outcome(t, s.do(t.Context(), "c")[0], journal.ErrClosed)
		s.release <- nil
		pending(t, closed)
		s.release <- nil
		outcome(t, done[1], nil)
		outcome(t, closed, nil)
		s.Close()
	})
}

// TestStorm has many callers with few keys, some of which lose patience. No key is under
// way twice, every item that was carried out was so once and told so, and none other.
func TestStorm(t *testing.T) {
	const callers, rounds, keys, running = 64, 200, 7, 3
	var (
		busy    [keys]atomic.Int32
		groups  atomic.Int32
		carried sync.Map
		bad     = errors.New("every fifth")
	)
	type work struct{ id, key int }
	q := group.New(group.Options[int, work]{
		Running: running, MaxItems: 5,
		Key: func(w work) int { return w.key },
		Run: func(items []work) []error {
			if groups.Add(1) > running {
				t.Error("too many groups at once")
			}
			defer groups.Add(-1)
			errs := make([]error, len(items))
			for i, w := range items {
				if busy[w.key].Add(1) != 1 {
					t.Errorf("key %d is under way twice", w.key)
				}
				if _, twice := carried.LoadOrStore(w.id, true); twice {
					t.Errorf("item %d carried out twice", w.id)
				}
				if w.id%5 == 0 {
					errs[i] = bad
				}
			}
			for _, w := range items {
				busy[w.key].Add(-1)
			}
			return errs
		},
	})
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for r := range rounds {
				id := c*rounds + r
				ctx, cancel := context.WithCancel(t.Context())
				if r%3 == 0 {
					go cancel()
				}
				err := q.Do(ctx, work{id: id, key: id % keys})
				cancel()
				_, done := carried.Load(id)
				switch {
				case errors.Is(err, context.Canceled):
					if done {
						t.Errorf("item %d was carried out, its caller told that it was not", id)
					}
				case !done || (id%5 == 0) != errors.Is(err, bad):
					t.Errorf("item %d: carried out %v, outcome %v", id, done, err)
				}
			}
		})
	}
	wg.Wait()
	q.Close()
}

func BenchmarkDo(b *testing.B) {
	q := group.New(group.Options[int, int]{
		Key: func(i int) int { return i },
		Run: func([]int) []error { return nil },
	})
	var next atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		me := int(next.Add(1))
		for pb.Next() {
			if err := q.Do(context.Background(), me); err != nil {
				b.Error(err)
			}
		}
	})
}
