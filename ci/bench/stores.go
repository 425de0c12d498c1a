package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// storeResult is what was measured on one database.
type storeResult struct {
	Store    string            `json:"store"`
	Title    string            `json:"title"`
	Settings map[string]string `json:"server"`
	Writes   []writeResult     `json:"writes"`
	Replay   versus            `json:"replay"`

	least float64 // of the driver's appends
}

// writeResult is writes at one number of callers: medians over rounds.
type writeResult struct {
	Callers int    `json:"callers"`
	Append  versus `json:"append"`
	// Command is event-sourced commands through the proxy against 1/(1/store + 1/pass-through): what a proxy would reach
	// that did nothing beside passing on and appending.
	Command versus `json:"command"`
	// Pass is the bare pass-through.
	Pass sample `json:"pass_through"`
}

// versus is something beside what it is measured against: medians over rounds.
type versus struct {
	Got     sample `json:"got"`
	Against sample `json:"against"`
	// Ratio is the median of the rounds' ratios of events or commands a second, Lowest and Highest their range.
	Ratio   float64  `json:"ratio"`
	Lowest  float64  `json:"ratio_lowest"`
	Highest float64  `json:"ratio_highest"`
	Rounds  []paired `json:"rounds"`
}

// paired is one round.
type paired struct {
	Got     sample `json:"got"`
	Against sample `json:"against"`
}

func newVersus(rounds []paired) versus {
	v := versus{Rounds: rounds}
	var ratios []float64
	var got, against []sample
	for _, r := range rounds {
		ratios = append(ratios, r.Got.PerSecond/r.Against.PerSecond)
		got, against = append(got, r.Got), append(against, r.Against)
	}
	v.Got, v.Against = middle(got), middle(against)
	v.Ratio = median(ratios) // it sorts them
	v.Lowest, v.Highest = ratios[0], ratios[len(ratios)-1]
	return v
}

// middle is the median of each number.
func middle(samples []sample) sample {
	of := func(value func(sample) float64) float64 {
		values := make([]float64, len(samples))
		for i, s := range samples {
			values[i] = value(s)
		}
		return median(values)
	}
	return sample{
		Requests:  int(of(func(s sample) float64 { return float64(s.Requests) })),
		PerSecond: of(func(s sample) float64 { return s.PerSecond }),
		P50:       of(func(s sample) float64 { return s.P50 }),
		P99:       of(func(s sample) float64 { return s.P99 }),
		CPU:       of(func(s sample) float64 { return s.CPU }),
	}
}

// sum is what two things in a row take: as often a second as 1/(1/a + 1/b).
func sum(a, b sample) sample {
	return sample{PerSecond: 1 / (1/a.PerSecond + 1/b.PerSecond), P50: a.P50 + b.P50, P99: a.P99 + b.P99, CPU: a.CPU + b.CPU}
}

const (
	byStore  = "store"
	byDriver = "driver"
	// entitiesPerCaller is how many entities there are for each caller, so that callers seldom wait for one another.
	entitiesPerCaller = 8
)

// measureStores measures every database that the settings name.
func measureStores(ctx context.Context, sys *system, progress io.Writer) ([]storeResult, error) {
	var results []storeResult
	for _, d := range sys.settings.databases {
		r, err := measureStore(ctx, sys, d, progress)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.title, err)
		}
		results = append(results, *r)
	}
	return results, nil
}

// arena is everything that contends on one database.
type arena struct {
	contest      *contestant
	floor, proxy *side
	items        [][]byte
	round        time.Duration
}

// measureStore runs a server and everything that contends on it, and ends all.
func measureStore(ctx context.Context, sys *system, d *database, progress io.Writer) (_ *storeResult, err error) {
	before := len(sys.stopping)
	defer func() {
		for i := len(sys.stopping) - 1; i >= before; i-- {
			if stopErr := sys.end(sys.stopping[i]); err == nil {
				err = stopErr
			}
		}
	}()
	_, _ = fmt.Fprintf(progress, "\r%s: start ", d.title)
	a, err := newArena(ctx, sys, d)
	if err != nil {
		return nil, err
	}
	result := &storeResult{Store: string(d.name), Title: d.title, Settings: a.contest.settings, least: d.append}
	for _, callers := range sys.settings.StoreCallers {
		_, _ = fmt.Fprintf(progress, "\r%s: %d callers ", d.title, callers)
		w, err := a.measureWrites(ctx, callers, sys.settings.Rounds)
		if err != nil {
			return nil, err
		}
		result.Writes = append(result.Writes, *w)
	}
	_, _ = fmt.Fprintf(progress, "\r%s: replay ", d.title)
	result.Replay, err = a.measureReplay(sys.settings.Rounds)
	_, _ = fmt.Fprintf(progress, "\r%60s\r", "")
	return result, err
}

func newArena(ctx context.Context, sys *system, d *database) (*arena, error) {
	where, err := sys.server(ctx, d)
	if err != nil {
		return nil, err
	}
	a := &arena{round: sys.settings.Round}
	if a.contest, err = sys.newContestant(ctx, d, where); err != nil {
		return nil, err
	}
	if a.floor, err = startFloor(ctx, sys); err != nil {
		return nil, err
	}
	function, err := sys.function(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p, err := sys.proxyWith(ctx, string(d.name), append(d.flags(where), patient...), portOf(function.addr))
	if err != nil {
		return nil, err
	}
	if err := p.awaitReady(ctx); err != nil {
		return nil, err
	}
	if a.proxy, err = newSide(p, sys.settings.Connections); err != nil {
		return nil, err
	}
	return a, a.warmUp(ctx, sys.settings)
}

// warmUp activates every entity, and lets everybody run until compilers and caches have seen what is coming.
func (a *arena) warmUp(ctx context.Context, s *settings) error {
	most := 0
	for _, callers := range s.StoreCallers {
		most = max(most, callers)
	}
	a.items = newItems(entitiesPerCaller * most)
	if err := a.proxy.client.each(ctx, writeMethod, a.items, min(most, 64)); err != nil {
		return err
	}
	for began := time.Now(); time.Since(began) < s.StoreWarmUp; {
		if _, err := a.mirrored(ctx, most, min(a.round, s.StoreWarmUp)); err != nil {
			return err
		}
	}
	return nil
}

// quartet is one round.
type quartet struct{ floor, driver, store, command sample }

// mirrored measures the four of them, three of them twice, in an order that reads the same from both ends: whatever else
// the machine does more and more, or less and less, meanwhile hits all alike.
func (a *arena) mirrored(ctx context.Context, callers int, d time.Duration) (q quartet, err error) {
	items := a.items[:entitiesPerCaller*callers]
	var first quartet
	for _, step := range []struct {
		to      *sample
		measure func() (sample, error)
	}{
		{&first.floor, func() (sample, error) { return a.floor.measure(ctx, floorMethod, items, callers, d) }},
		{&first.driver, func() (sample, error) { return a.contest.append(byDriver, callers, d) }},
		{&first.store, func() (sample, error) { return a.contest.append(byStore, callers, d) }},
		{&q.command, func() (sample, error) { return a.proxy.measure(ctx, writeMethod, items, callers, d) }},
		{&q.store, func() (sample, error) { return a.contest.append(byStore, callers, d) }},
		{&q.driver, func() (sample, error) { return a.contest.append(byDriver, callers, d) }},
		{&q.floor, func() (sample, error) { return a.floor.measure(ctx, floorMethod, items, callers, d) }},
	} {
		if *step.to, err = step.measure(); err != nil {
			return q, err
		}
	}
	q.floor, q.driver, q.store = mean(first.floor, q.floor), mean(first.driver, q.driver), mean(first.store, q.store)
	return q, nil
}

func (a *arena) measureWrites(ctx context.Context, callers, rounds int) (*writeResult, error) {
	var appends, commands []paired
	var floors []sample
	for range rounds {
		q, err := a.mirrored(ctx, callers, a.round)
		if err != nil {
			return nil, err
		}
		appends = append(appends, paired{q.store, q.driver})
		commands = append(commands, paired{q.command, sum(q.store, q.floor)})
		floors = append(floors, q.floor)
	}
	return &writeResult{Callers: callers, Append: newVersus(appends), Command: newVersus(commands), Pass: middle(floors)}, nil
}

// measureReplay reads a long journal by turns. The first reading of each side does not count: the journal is made in it.
func (a *arena) measureReplay(rounds int) (versus, error) {
	var pairs []paired
	for n := range rounds + 1 {
		before, err := a.contest.replay(byDriver)
		if err != nil {
			return versus{}, err
		}
		got, err := a.contest.replay(byStore)
		if err != nil {
			return versus{}, err
		}
		after, err := a.contest.replay(byDriver)
		if err != nil {
			return versus{}, err
		}
		if n > 0 {
			pairs = append(pairs, paired{got, mean(before, after)})
		}
	}
	return newVersus(pairs), nil
}
