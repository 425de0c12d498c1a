package pebble_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

// load is a set of workers that write to a store, each to a shard of its own, and the
// ledger of what they were told. What a worker writes follows from its count alone, so
// the ledger need only hold numbers.
type load struct {
	mu     sync.Mutex
	told   *sync.Cond
	ledger ledger
	acks   int
	report io.Writer // gets every note as a line
	budget int       // acknowledgements at which workers pause, so that checks keep up
	err    error     // the first that no worker should meet
	ended  int       // workers that are done
}

// ledger is the newest note of each subject and worker.
type ledger map[subject]uint64

// subject is what a note is about.
type subject struct {
	what   string
	worker int
}

// What notes are about.
const (
	lastEvent = "event" // the last sequence number that was acknowledged
	lastPut   = "put"   // the last operation on the value that was acknowledged
	begunPut  = "begun" // the last one that was begun
	lastToken = "token" // the newest token that was handed out
	lastPrune = "prune" // the last event that is acknowledged as pruned
	begunCut  = "cut"   // the last one that was to be pruned
)

const (
	workers       = 8
	claimEvery    = 40
	snapshotEvery = 5
	deleteEvery   = 7
	pruneEvery    = 15 // a multiple of snapshotEvery
	noteEvery     = 4
)

func newLoad() *load {
	l := &load{ledger: ledger{}, report: io.Discard}
	l.told = sync.NewCond(&l.mu)
	return l
}

func workerID(w int) journal.EntityID {
	return journal.EntityID{Namespace: "crash\x00test", Key: fmt.Sprint(w)}
}

// batchOf is the number of events that a worker appends behind last.
func batchOf(last uint64) int { return int(last%3) + 1 }

// eventText is what event seq of a worker says; it is padded, so that the store has
// something to flush.
func eventText(w int, seq uint64) string {
	return fmt.Sprintf("%d/%d/", w, seq) + strings.Repeat("x", int(seq*37%400))
}

// eventOf is event seq of a worker; some have a note.
func eventOf(w int, seq uint64) journal.Entry {
	e := journal.Entry{Payload: []byte(eventText(w, seq))}
	if seq%noteEvery == 0 {
		e.Note = []byte(fmt.Sprintf("note on %d/%d", w, seq))
	}
	return e
}

// valueOf is what operation op puts; some have a note.
func valueOf(op int) journal.Entry {
	e := journal.Entry{Payload: []byte(fmt.Sprint(op))}
	if op%noteEvery == 0 {
		e.Note = []byte(fmt.Sprint("note on ", op))
	}
	return e
}

func same(a, b journal.Entry) bool {
	return bytes.Equal(a.Payload, b.Payload) && bytes.Equal(a.Note, b.Note)
}

// run writes until ctx ends or the store fails. It returns when all workers have.
func (l *load) run(ctx context.Context, s *pebble.Store) {
	defer context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.told.Broadcast()
	})()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			err := l.work(ctx, s, w)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.ended++
			if err != nil && l.err == nil && ctx.Err() == nil {
				l.err = err
			}
			l.told.Broadcast()
		})
	}
	wg.Wait()
}

func (l *load) work(ctx context.Context, s *pebble.Store, w int) error {
	id := workerID(w)
	var f journal.Fence
	var last uint64
	var err error
	for n := 0; ctx.Err() == nil; n++ {
		if n%claimEvery == 0 {
			if f, err = own(ctx, s, journal.Shard(w)); err != nil {
				return err
			}
			l.ack(ctx, subject{lastToken, w}, uint64(f.Token))
		}
		var batch []journal.Entry
		for i := range batchOf(last) {
			batch = append(batch, eventOf(w, last+uint64(i)+1))
		}
		if err := s.Append(ctx, f, id, last, batch); err != nil {
			return err
		}
		last += uint64(len(batch))
		l.ack(ctx, subject{lastEvent, w}, last)
		if n%snapshotEvery == 0 {
			if err := s.SaveSnapshot(ctx, f, id, journal.Snapshot{Seq: last, Payload: []byte(fmt.Sprint(last))}); err != nil {
				return err
			}
		}
		if n%pruneEvery == 0 {
			l.note(subject{begunCut, w}, last)
			if err := s.Prune(ctx, f, id, last); err != nil {
				return err
			}
			l.ack(ctx, subject{lastPrune, w}, last)
		}
		if err := l.put(ctx, s, f, w, n+1); err != nil {
			return err
		}
	}
	return nil
}

// put does operation op on the worker's value: every seventh deletes it.
func (l *load) put(ctx context.Context, s *pebble.Store, f journal.Fence, w, op int) error {
	l.note(subject{begunPut, w}, uint64(op))
	version := uint64((op - 1) % deleteEvery)
	var err error
	if op%deleteEvery == 0 {
		err = s.DeleteValue(ctx, f, workerID(w), version)
	} else {
		_, err = s.PutValue(ctx, f, workerID(w), version, valueOf(op))
	}
	if err != nil {
		return err
	}
	l.ack(ctx, subject{lastPut, w}, uint64(op))
	return nil
}

// ack notes an acknowledgement, and pauses the worker if the budget is used up.
func (l *load) ack(ctx context.Context, s subject, n uint64) {
	l.note(s, n)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acks++
	l.told.Broadcast()
	for l.acks >= l.budget && ctx.Err() == nil {
		l.told.Wait()
	}
}

// note writes into the ledger.
func (l *load) note(s subject, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ledger[s] = n
	fmt.Fprintln(l.report, s.what, s.worker, n)
}

// slack is how far the load may run on after an await, so that a crash finds it running.
const slack = 100

// await waits for more acknowledgements, or the end of all workers, and returns the ledger.
func (l *load) await(more int) (ledger, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := l.acks + more
	l.budget = until + slack
	l.told.Broadcast()
	for l.acks < until && l.ended < workers {
		l.told.Wait()
	}
	return maps.Clone(l.ledger), l.err
}

// now returns the ledger.
func (l *load) now() ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.ledger)
}

// check holds a store that came back from a crash against what was acknowledged before
// it (before) and what may have been begun until then (after). It returns everything
// that is wrong.
func check(ctx context.Context, s *pebble.Store, before, after ledger) error {
	var wrong []error
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if _, err := s.Verify(ctx); err != nil {
		complain("verify: %w", err)
	}
	for w := range workers {
		id := workerID(w)
		last, err := prunedThrough(ctx, s, w, before[subject{lastPrune, w}], after[subject{begunCut, w}])
		if err != nil {
			wrong = append(wrong, err)
		}
		for more := true; more; {
			recs, m, err := s.Read(ctx, id, last, journal.Chunk{Records: 100})
			if err != nil {
				complain("worker %d: %w", w, err)
				break
			}
			for _, r := range recs {
				last++
				if r.Seq != last || !same(r.Entry, eventOf(w, last)) {
					complain("worker %d: event %d is %d %.20q, noted %q", w, last, r.Seq, r.Payload, r.Note)
				}
			}
			more = m
		}
		if acked := before[subject{lastEvent, w}]; last < acked {
			complain("worker %d: event %d was acknowledged, the last there is %d", w, acked, last)
		}
		if !ends(last) {
			complain("worker %d: the last event %d is in the middle of an append", w, last)
		}
		snap, found, err := s.LatestSnapshot(ctx, id)
		if err != nil || found && string(snap.Payload) != fmt.Sprint(snap.Seq) {
			complain("worker %d: snapshot %+v, %w", w, snap, err)
		}
		if err := checkValue(ctx, s, w, int(before[subject{lastPut, w}]), int(after[subject{begunPut, w}])); err != nil {
			wrong = append(wrong, err)
		}
		f, err := own(ctx, s, journal.Shard(w))
		if token := before[subject{lastToken, w}]; err != nil || uint64(f.Token) <= token {
			complain("worker %d: token %d was handed out, now %d (%w)", w, token, f.Token, err)
		}
		if err := s.Adopt(ctx, f, id, last); err != nil {
			complain("worker %d: adoption at %d: %w", w, last, err)
		}
	}
	return errors.Join(wrong...)
}

// prunedThrough returns the last event of a worker that is pruned: acked, or one that was
// begun after it. A snapshot must stand for it.
func prunedThrough(ctx context.Context, s *pebble.Store, w int, acked, begun uint64) (uint64, error) {
	_, _, err := s.Read(ctx, workerID(w), 0, journal.Chunk{Records: 1})
	through := uint64(0)
	var pruned *journal.PrunedError
	if errors.As(err, &pruned) {
		through = pruned.Through
	}
	if through < acked || through > begun {
		return through, fmt.Errorf("worker %d: events are pruned through %d (%w); acknowledged was %d, begun %d", w, through, err, acked, begun)
	}
	snap, _, err := s.LatestSnapshot(ctx, workerID(w))
	if err != nil || snap.Seq < through {
		return through, fmt.Errorf("worker %d: events are pruned through %d, the snapshot is of %d (%w)", w, through, snap.Seq, err)
	}
	return through, nil
}

// ends says whether an append ends at seq.
func ends(seq uint64) bool {
	at := uint64(0)
	for at < seq {
		at += uint64(batchOf(at))
	}
	return at == seq
}

// checkValue: the value is what some operation from acked to begun left.
func checkValue(ctx context.Context, s *pebble.Store, w, acked, begun int) error {
	v, err := s.GetValue(ctx, workerID(w))
	if err != nil {
		return fmt.Errorf("worker %d: %w", w, err)
	}
	for op := acked; op <= begun; op++ {
		absent := op%deleteEvery == 0
		if absent && !v.Found || !absent && v.Found && same(v.Entry, valueOf(op)) && v.Version == uint64(op%deleteEvery) {
			return nil
		}
	}
	return fmt.Errorf("worker %d: value %d %q (found %v), acknowledged was operation %d, begun %d", w, v.Version, v.Payload, v.Found, acked, begun)
}
