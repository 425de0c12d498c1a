package journaltest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// victimWhere, in the environment, makes a test binary the process that is killed.
const victimWhere = "CLOUDSTATE_JOURNALTEST_VICTIM"

// victimWorkers is the number of entities that a victim writes to, each from a goroutine
// of its own.
const victimWorkers = 8

// Victim must be called first in the TestMain of a package that uses Crash, with the same
// open. In most processes it does nothing. In one that the suite started to kill it works
// on the store until then, and never returns.
func Victim(open func(where string) (journal.Store, error)) {
	where, is := os.LookupEnv(victimWhere)
	if !is {
		return
	}
	s, err := open(where)
	if err == nil {
		err = work(context.Background(), s, os.Stdout)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1) //nolint:forbidigo // this process is no test: it works until it is killed
}

func victimID(worker int) journal.EntityID {
	return journal.EntityID{Namespace: "victim", Key: fmt.Sprint(worker)}
}

// work writes without end, and tells out what was acknowledged, a line each.
func work(ctx context.Context, s journal.Store, out io.Writer) error {
	h := newHolder()
	if err := s.BeginLease(ctx, h, leaseLength); err != nil {
		return err
	}
	f, err := claim(ctx, s, 1, h)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	acknowledge := func(worker int, n uint64) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Fprintln(out, worker, n)
		return err
	}
	errs := make(chan error, victimWorkers)
	for w := range victimWorkers {
		go func() { errs <- workOn(ctx, s, f, w, acknowledge) }()
	}
	return <-errs
}

// workOn goes on with one entity from where it is: event n says n and, every third, has a note;
// value n follows; every fifth event is covered by a snapshot, every tenth pruned.
func workOn(ctx context.Context, s journal.Store, f journal.Fence, worker int, acknowledge func(int, uint64) error) error {
	id := victimID(worker)
	last, version, err := victimState(ctx, s, worker)
	if err == nil {
		err = errors.Join(s.Adopt(ctx, f, id, last), s.AdoptValue(ctx, f, id, version))
	}
	put := func(through uint64) {
		for ; err == nil && version < through; version++ {
			_, err = s.PutValue(ctx, f, id, version, victimEntry(version+1))
		}
	}
	put(last) // the value that the one before was killed over: it is never more than one behind
	for n := last + 1; err == nil; n++ {
		err = s.Append(ctx, f, id, n-1, []journal.Entry{victimEntry(n)})
		put(n)
		if err == nil && n%5 == 0 {
			err = s.SaveSnapshot(ctx, f, id, journal.Snapshot{Seq: n, Payload: victimEntry(n).Payload})
		}
		if err == nil && n%10 == 0 {
			err = s.Prune(ctx, f, id, n)
		}
		if err == nil {
			err = acknowledge(worker, n)
		}
	}
	return err
}

func victimEntry(n uint64) journal.Entry {
	e := entry(fmt.Sprint(n))
	if n%3 == 0 {
		e.Note = []byte("noted")
	}
	return e
}

// victimState reads what a worker left, and checks everything that can be checked without
// knowing what was acknowledged.
func victimState(ctx context.Context, s journal.Store, worker int) (last, version uint64, err error) {
	id := victimID(worker)
	snap, found, err := s.LatestSnapshot(ctx, id)
	if err != nil {
		return 0, 0, err
	}
	if found && string(snap.Payload) != fmt.Sprint(snap.Seq) {
		return 0, 0, fmt.Errorf("snapshot %d of %s is %q", snap.Seq, id, snap.Payload)
	}
	got, err := readAll(ctx, s, id, snap.Seq, journal.Chunk{Records: 100})
	if err != nil {
		return 0, 0, err
	}
	for i, text := range got {
		if want := told(victimEntry(snap.Seq + uint64(i) + 1)); text != want {
			return 0, 0, fmt.Errorf("event %s of %s is %q", want, id, text)
		}
	}
	v, err := s.GetValue(ctx, id)
	if err != nil {
		return 0, 0, err
	}
	if v.Found && told(v.Entry) != told(victimEntry(v.Version)) {
		return 0, 0, fmt.Errorf("value %d of %s is %q", v.Version, id, told(v.Entry))
	}
	last = snap.Seq + uint64(len(got))
	if v.Version > last || v.Version+1 < last {
		return 0, 0, fmt.Errorf("the value of %s is %d, its last event %d", id, v.Version, last)
	}
	return last, v.Version, nil
}

// testCrash: a process is killed in the middle of its work, again and again. What it was told is there each time, and its successor goes on from there.
func (su *suite) testCrash(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	where := su.crashWhere(t)
	rng := rand.New(rand.NewPCG(4, 2))
	total := 0
	for round := range su.effort.Rounds {
		acknowledged, lines, err := killAfter(ctx, where, 1+rng.IntN(20*victimWorkers))
		if err != nil {
			t.Fatal(err)
		}
		total += lines
		s, err := su.crashOpen(where)
		if err != nil {
			t.Fatalf("after kill %d: %v", round+1, err)
		}
		for w := range victimWorkers {
			last, version, err := victimState(ctx, s, w)
			if n := acknowledged[w]; err != nil || last < n || version < n {
				t.Errorf("after kill %d: %s has %d events and value %d, acknowledged were %d: %v", round+1, victimID(w), last, version, n, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills, %d acknowledgements", su.effort.Rounds, total)
}

// killAfter starts a victim on where, kills it after so many acknowledgements, and returns
// the newest of each worker.
func killAfter(ctx context.Context, where string, acknowledgements int) (newest map[int]uint64, lines int, err error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), victimWhere+"="+where)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, 0, err
	}
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	newest = map[int]uint64{}
	scan := bufio.NewScanner(out)
	for scan.Scan() { // to the end: what was told before the kill counts, whenever it is read
		var worker int
		var n uint64
		if _, err := fmt.Sscan(scan.Text(), &worker, &n); err != nil {
			break // a line that the kill cut short
		}
		newest[worker] = n
		if lines++; lines == acknowledgements {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if lines < acknowledgements {
		return nil, lines, fmt.Errorf("the process to kill ended by itself after %d acknowledgements: %v", lines, cmd.ProcessState)
	}
	return newest, lines, nil
}
