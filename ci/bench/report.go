package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// report is out/bench/report.json.
type report struct {
	Version  int       `json:"version"`
	When     time.Time `json:"when"`
	Took     float64   `json:"took_s"`
	Command  []string  `json:"command"`
	Settings *settings `json:"settings"`
	Machine  machine   `json:"machine"`
	// Ratios are requests a second against the floor of the same run, by row@callers. store-append-… are against the driver of
	// the database, store-replay-… too, and es-write-… against 1/(1/store + 1/pass-through).
	Ratios    map[string]float64 `json:"ratios"`
	Results   []result           `json:"results"`
	Stores    []storeResult      `json:"stores"`
	Footprint *footprint         `json:"footprint,omitempty"`
	Targets   []target           `json:"targets"`
}

// target is one promise and what was measured.
type target struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Least float64 `json:"at_least,omitempty"`
	Most  float64 `json:"at_most,omitempty"`
	Got   float64 `json:"got"`
	Met   bool    `json:"met"`
}

func newReport(s *settings, m machine, began time.Time, results []result, stores []storeResult, f *footprint) *report {
	r := &report{
		Version: 1, When: began, Took: time.Since(began).Seconds(), Command: os.Args, Settings: s, Machine: m,
		Ratios: make(map[string]float64), Results: results, Stores: stores, Footprint: f,
	}
	for i := range results {
		if res := &results[i]; res.Row != floorName {
			r.Ratios[fmt.Sprintf("%s@%d", res.Row, res.Callers)] = res.Ratio
		}
	}
	for i := range stores {
		st := &stores[i]
		for _, w := range st.Writes {
			r.Ratios[fmt.Sprintf("store-append-%s@%d", st.Store, w.Callers)] = w.Append.Ratio
			r.Ratios[fmt.Sprintf("es-write-%s@%d", st.Store, w.Callers)] = w.Command.Ratio
		}
		r.Ratios["store-replay-"+st.Store] = st.Replay.Ratio
	}
	r.judge()
	return r
}

// judge holds what was measured against the targets; what was not measured is not judged.
func (r *report) judge() {
	for _, name := range []string{"read@64", "write-memory@64"} {
		r.least(name, "of the floor", 0.8)
	}
	for i := range r.Stores {
		st := &r.Stores[i]
		for _, w := range st.Writes {
			r.least(fmt.Sprintf("store-append-%s@%d", st.Store, w.Callers), "of the driver", st.least)
			r.least(fmt.Sprintf("es-write-%s@%d", st.Store, w.Callers), "of store and pass-through in a row", leastOfSum)
		}
	}
	if f := r.Footprint; f != nil {
		r.most("an idle instance adds to its bare stream", "KiB", 16, float64(f.Added)/1024)
		r.most("ready after the user function, worst", "ms", 300, f.ReadyWorst)
		r.most("resident after start", "MiB", 60, float64(f.Resident)/(1<<20))
	}
}

// least holds a ratio against what it must reach, if it was measured.
func (r *report) least(ratio, unit string, least float64) {
	if got, ok := r.Ratios[ratio]; ok {
		r.Targets = append(r.Targets, target{Name: ratio, Unit: unit, Least: least, Got: got, Met: got >= least})
	}
}

func (r *report) most(name, unit string, most, got float64) {
	r.Targets = append(r.Targets, target{Name: name, Unit: unit, Most: most, Got: got, Met: got <= most})
}

// missed counts the targets that were not met.
func (r *report) missed() int {
	n := 0
	for _, t := range r.Targets {
		if !t.Met {
			n++
		}
	}
	return n
}

func (r *report) write(dir string) (path string, err error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "report.json")
	return path, os.WriteFile(path, append(b, '\n'), 0o644)
}
