package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// round is one measured round and the mean of the floor's two beside it.
type round struct {
	sample
	Floor sample `json:"floor"`
}

// result is a row at one number of callers: medians over its rounds.
type result struct {
	Row     string `json:"row"`
	Title   string `json:"title"`
	Callers int    `json:"callers"`
	sample
	// Ratio is the median of the rounds' ratios of requests a second, and Lowest and Highest their range; P99Ratio and
	// CPURatio are medians likewise. In all of them 1 is the floor.
	Ratio    float64 `json:"ratio"`
	Lowest   float64 `json:"ratio_lowest"`
	Highest  float64 `json:"ratio_highest"`
	P50Ratio float64 `json:"p50_ratio"`
	P99Ratio float64 `json:"p99_ratio"`
	CPURatio float64 `json:"cpu_ratio"`
	Rounds   []round `json:"rounds"`
}

// side is one process that is measured, and the client in front of it.
type side struct {
	process *process
	client  *client
}

// measure is one round.
func (s *side) measure(ctx context.Context, method string, items [][]byte, callers int, d time.Duration) (sample, error) {
	before, err := s.process.cpu()
	if err != nil {
		return sample{}, err
	}
	got, err := s.client.load(ctx, method, items, callers, d)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", s.process.name, err)
	}
	after, err := s.process.cpu()
	got.CPU = micros(after-before) / float64(max(got.Requests, 1))
	return got, err
}

// compare measures all rows at all numbers of callers. The results are the floor's first, then the rows', for each
// number of callers.
func compare(ctx context.Context, sys *system, progress io.Writer) ([]result, error) {
	cfg := sys.settings
	floor, proxies, err := startSides(ctx, sys)
	if err != nil {
		return nil, err
	}
	items := newItems(cfg.Entities)
	if err := warmUp(ctx, cfg, floor, proxies, items); err != nil {
		return nil, err
	}
	var results []result
	for _, callers := range cfg.Callers {
		measured := make(map[string][]round)
		var floors []sample
		for n := range cfg.Rounds {
			_, _ = fmt.Fprintf(progress, "\r%d callers, round %d of %d ", callers, n+1, cfg.Rounds)
			before, err := floor.measure(ctx, floorMethod, items, callers, cfg.Round)
			if err != nil {
				return nil, err
			}
			floors = append(floors, before)
			for _, r := range cfg.chosen() {
				got, err := proxies[r.store].measure(ctx, r.method, items, callers, cfg.Round)
				if err != nil {
					return nil, err
				}
				after, err := floor.measure(ctx, floorMethod, items, callers, cfg.Round)
				if err != nil {
					return nil, err
				}
				floors = append(floors, after)
				measured[r.name] = append(measured[r.name], round{got, mean(before, after)})
				before = after
			}
		}
		results = append(results, floorResult(callers, floors))
		for _, r := range cfg.chosen() {
			results = append(results, newResult(r, callers, measured[r.name]))
		}
	}
	_, _ = fmt.Fprintf(progress, "\r%60s\r", "")
	return results, nil
}

// startSides starts the floor, the user function, and a proxy for each store that the rows need.
func startSides(ctx context.Context, sys *system) (*side, map[store]*side, error) {
	floor, err := startFloor(ctx, sys)
	if err != nil {
		return nil, nil, err
	}
	function, err := sys.function(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	proxies := make(map[store]*side)
	for _, st := range stores {
		if !slices.ContainsFunc(sys.settings.chosen(), func(r row) bool { return r.store == st }) {
			continue
		}
		p, err := sys.proxy(ctx, string(st), st, portOf(function.addr))
		if err != nil {
			return nil, nil, err
		}
		if err := p.awaitReady(ctx); err != nil {
			return nil, nil, err
		}
		if proxies[st], err = newSide(p, sys.settings.Connections); err != nil {
			return nil, nil, err
		}
	}
	return floor, proxies, nil
}

// startFloor starts the bare pass-through.
func startFloor(ctx context.Context, sys *system) (*side, error) {
	echo, err := sys.child(ctx, "echo")
	if err != nil {
		return nil, err
	}
	pass, err := sys.child(ctx, "pass", "-to", echo.addr)
	if err != nil {
		return nil, err
	}
	return newSide(pass, sys.settings.Connections)
}

func newSide(p *process, connections int) (*side, error) {
	c, err := newClient(p.addr, connections)
	return &side{p, c}, err
}

// warmUp activates every entity that a row will use, and lets both sides run for a moment.
func warmUp(ctx context.Context, cfg *settings, floor *side, proxies map[store]*side, items [][]byte) error {
	if _, err := floor.measure(ctx, floorMethod, items, 16, cfg.Round); err != nil {
		return err
	}
	for _, r := range cfg.chosen() {
		if err := proxies[r.store].client.each(ctx, r.method, items, 16); err != nil {
			return fmt.Errorf("%s: %w", proxies[r.store].process.name, err)
		}
	}
	return nil
}

func mean(a, b sample) sample {
	return sample{
		Requests:  (a.Requests + b.Requests) / 2,
		PerSecond: (a.PerSecond + b.PerSecond) / 2,
		P50:       (a.P50 + b.P50) / 2,
		P99:       (a.P99 + b.P99) / 2,
		CPU:       (a.CPU + b.CPU) / 2,
	}
}

// floorName is the floor's name among the results.
const floorName = "floor"

func floorResult(callers int, floors []sample) result {
	rounds := make([]round, len(floors))
	for i, f := range floors {
		rounds[i] = round{f, f}
	}
	return newResult(row{name: floorName, title: "the floor: bare grpc-go pass-through"}, callers, rounds)
}

func newResult(r row, callers int, rounds []round) result {
	medianOf := func(value func(round) float64) float64 {
		values := make([]float64, len(rounds))
		for i := range rounds {
			values[i] = value(rounds[i])
		}
		return median(values)
	}
	ratio := func(r round) float64 { return r.PerSecond / r.Floor.PerSecond }
	res := result{
		Row: r.name, Title: r.title, Callers: callers, Rounds: rounds,
		sample: sample{
			Requests:  int(medianOf(func(r round) float64 { return float64(r.Requests) })),
			PerSecond: medianOf(func(r round) float64 { return r.PerSecond }),
			P50:       medianOf(func(r round) float64 { return r.P50 }),
			P99:       medianOf(func(r round) float64 { return r.P99 }),
			CPU:       medianOf(func(r round) float64 { return r.CPU }),
		},
		Ratio:    medianOf(ratio),
		P50Ratio: medianOf(func(r round) float64 { return r.P50 / r.Floor.P50 }),
		P99Ratio: medianOf(func(r round) float64 { return r.P99 / r.Floor.P99 }),
		CPURatio: medianOf(func(r round) float64 { return r.CPU / max(r.Floor.CPU, 1e-3) }),
	}
	res.Lowest, res.Highest = ratio(rounds[0]), ratio(rounds[0])
	for _, r := range rounds {
		res.Lowest, res.Highest = min(res.Lowest, ratio(r)), max(res.Highest, ratio(r))
	}
	return res
}

// median is the middle of the values, of an even number the mean of the two in the middle. It sorts them.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}
