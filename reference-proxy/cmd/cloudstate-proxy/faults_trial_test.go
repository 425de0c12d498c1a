package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A trial runs two proxies on one database under load, disturbs them and what lies between, and holds what callers were
// told against what is there.
type trial struct {
	what     string
	program  string // of the proxies
	seed     uint64
	length   time.Duration
	database *testbed
	// reads is how many operations of a hundred read.
	reads int
	// proxies, if set, is what befalls each proxy, at random, with pauses between up to calm.
	proxies func(n *node) []disturbance
	calm    time.Duration
	// changesHands says that it shows nothing unless registers are served by one proxy after the other.
	changesHands bool
	// disturbDatabase has what can befall the database and the links to it befall them.
	disturbDatabase bool
}

// disturbance is something that lasts for d, or a little longer, and is over when it returns.
type disturbance struct {
	kind fault
	do   func(ctx context.Context, random *rand.Rand, d time.Duration) error
}

const (
	// longestFault is how long a disturbance lasts at most: more than two leases.
	longestFault = 2500 * time.Millisecond
	// recovery bounds how long it may take until callers are served again after the last disturbance. It only ends a
	// hang; the figures tell how long it took.
	recovery = patience
)

// faultLength is how long a trial lasts: as long as make certify says, or so many seconds.
func faultLength(short int) time.Duration {
	return time.Duration(fromEnv("CLOUDSTATE_FAULT_SECONDS", short)) * time.Second
}

func faultSeed() uint64 { return uint64(fromEnv("CLOUDSTATE_SEED", 1)) }

// run carries the trial out and returns what was wrong.
func (tr *trial) run(t *testing.T) (faults []string) {
	t.Helper()
	user := &registers{}
	const proxies = 2
	var nodes []*node
	for i := range proxies {
		nodes = append(nodes, newNode(t, tr.program, user, tr.database.arguments(i)...))
	}
	for _, n := range nodes {
		n.process.ready()
	}
	load := newCallers(t, nodes, tr.reads)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	callersDone := load.run(ctx, tr.seed)
	done := &faultCounts{}
	tr.disturb(t, nodes, done)
	healed := time.Since(load.began)
	recovered := tr.recovered(t, load, nodes, healed)
	stop()
	callersDone()

	// What counts is what is in the database: a new proxy tells it, which knows nothing.
	for _, n := range nodes {
		n.process.kill()
	}
	last := nodes[tr.seed%proxies]
	last.start()
	last.process.ready()
	reading, cancel := context.WithTimeout(t.Context(), recovery)
	defer cancel()
	if err := load.readAll(reading, int(tr.seed%proxies)); err != nil {
		faults = append(faults, err.Error())
	}
	found, registers, carriedOut := checkHistory(load.history)
	faults = append(faults, found...)
	for text, n := range load.odd {
		faults = append(faults, strconv.Itoa(n)+" callers were told what does not say that they may try again: "+text)
	}
	user.mu.Lock()
	defer user.mu.Unlock()
	faults = append(faults, user.faults...)
	t.Logf("%s, seed %d, %v: %s, %d increments of unknown outcome took effect; faults: %v; longest outage %v, recovery after the last fault %v; %d registers held against the model",
		tr.what, tr.seed, tr.length, load.figures(), carriedOut, done, load.outage.Round(time.Millisecond), recovered.Round(time.Millisecond), registers)
	if tr.changesHands && load.turns < 2 {
		faults = append(faults, "no register was ever served by one proxy after the other: the trial shows nothing")
	}
	return faults
}

// disturb lets everything befall everything, and returns when all is well again.
func (tr *trial) disturb(t *testing.T, nodes []*node, done *faultCounts) {
	ctx, cancel := context.WithTimeout(t.Context(), tr.length)
	defer cancel()
	var wg sync.WaitGroup
	again := func(stream uint64, deck []disturbance, calm time.Duration) {
		if len(deck) == 0 {
			return
		}
		random := rand.New(rand.NewPCG(tr.seed, 1000+stream))
		wg.Go(func() {
			for n := 0; ; n++ {
				if n%len(deck) == 0 { // each once, in another order each time
					random.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
				}
				idle(ctx, calm/5+time.Duration(random.Int64N(int64(calm))))
				if ctx.Err() != nil {
					return
				}
				what := deck[n%len(deck)]
				if err := what.do(ctx, random, longestFault/10+time.Duration(random.Int64N(int64(longestFault*9/10)))); err != nil {
					t.Errorf("%s: %v", what.kind, err)
					return
				}
				done.add(what.kind)
			}
		})
	}
	for i, n := range nodes {
		if tr.proxies != nil {
			again(uint64(i), tr.proxies(n), tr.calm)
		}
	}
	if tr.disturbDatabase {
		again(100, tr.database.disturbances, tr.calm)
		for i, l := range tr.database.links {
			again(uint64(200+i), l.disturbances(), tr.calm/2)
		}
	}
	wg.Wait()
}

// recovered returns how long after the end of the disturbances callers were served again.
func (tr *trial) recovered(t *testing.T, load *callers, nodes []*node, healed time.Duration) time.Duration {
	t.Helper()
	const enough = 50
	before, limit := sum(load.acked()), time.Now().Add(recovery)
	var first time.Duration
	for {
		n := sum(load.acked())
		if first == 0 && n > before {
			first = time.Since(load.began) - healed
		}
		if n >= before+enough {
			return first
		}
		if time.Now().After(limit) {
			for i, n := range nodes {
				t.Logf("proxy %d said:\n%s", i, n.process.output)
			}
			t.Fatalf("%s: %v after the last fault only %d operations had been acknowledged", tr.what, recovery, n-before)
		}
		idle(t.Context(), 10*time.Millisecond)
	}
}

func sum(ns []int) (all int) {
	for _, n := range ns {
		all += n
	}
	return all
}

// pausesAndKills befall a proxy: more pauses than kills, as it is after a pause that two believe they own the same.
func pausesAndKills(n *node) []disturbance {
	pause := disturbance{"proxy paused", func(ctx context.Context, _ *rand.Rand, d time.Duration) error { return n.pause(ctx, d) }}
	kill := disturbance{"proxy killed", func(context.Context, *rand.Rand, time.Duration) error { n.restart(); return nil }}
	return []disturbance{pause, pause, pause, pause, kill}
}

// theProgram is the proxy as it is.
func theProgram(t *testing.T) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// edited is the proxy with the edits of testdata/owners, built for the running test.
func edited(t *testing.T, ids ...string) string {
	t.Helper()
	var files []string
	for _, id := range ids {
		files = append(files, filepath.Join("testdata", "owners", id+".yaml"))
	}
	return buildEdited(t, files...)
}

// bites carries trials out with a proxy that is broken until one finds a fault that says so.
func bites(t *testing.T, tr trial, says ...string) {
	t.Helper()
	const attempts = 30 // one of two or three finds it: only a check without teeth pays for all
	for range attempts {
		for _, f := range tr.run(t) {
			for _, part := range says {
				if strings.Contains(f, part) {
					t.Logf("found: %s", f)
					return
				}
			}
		}
		tr.seed++
	}
	t.Errorf("%d trials of %s found no fault: they have no teeth", attempts, tr.what)
}

var errNoCassandra = errors.New("choose 1 or 3")

// cassandraNodes is how many nodes the Cassandra of the trials has.
func cassandraNodes(t *testing.T) int {
	t.Helper()
	switch text := os.Getenv("CLOUDSTATE_CASSANDRA_NODES"); text {
	case "", "1":
		return 1
	case "3":
		return 3
	default:
		t.Fatalf("CLOUDSTATE_CASSANDRA_NODES=%s: %v", text, errNoCassandra)
		return 0
	}
}
