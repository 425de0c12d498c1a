package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// settings are the flags of a run.
type settings struct {
	Proxy       string        `json:"proxy"`
	Function    string        `json:"function"`
	Out         string        `json:"-"`
	Rounds      int           `json:"rounds"`
	Round       time.Duration `json:"round_ns"`
	Callers     []int         `json:"callers"`
	Connections int           `json:"connections"`
	Entities    int           `json:"entities"`
	Instances   int           `json:"instances"`
	Starts      int           `json:"starts"`
	Only        string        `json:"only,omitempty"`
	Check       bool          `json:"check"`

	TestServer   string        `json:"testserver"`
	Stores       string        `json:"stores"`
	StoreCallers []int         `json:"store_callers"`
	StoreWarmUp  time.Duration `json:"store_warm_up_ns"`
	databases    []*database
}

func parseSettings(args []string) (*settings, error) {
	s := new(settings)
	fs := flag.NewFlagSet("bench", flag.ExitOnError)
	fs.StringVar(&s.Proxy, "proxy", "bin/cloudstate-proxy", "the proxy's program")
	fs.StringVar(&s.Function, "function", "bin/bench-function", "the user function's program")
	fs.StringVar(&s.Out, "out", "out/bench", "directory for report.json, and for the embedded stores while it runs")
	fs.IntVar(&s.Rounds, "rounds", 5, "measured rounds of each row; each stands between two rounds of the floor")
	fs.DurationVar(&s.Round, "round", time.Second, "length of one round")
	callers := fs.String("callers", "1,16,64", "numbers of concurrent callers, each a table")
	fs.IntVar(&s.Connections, "connections", 1, "client connections, to the floor and to the proxy alike")
	fs.IntVar(&s.Entities, "entities", 1000, "entities that calls are spread over")
	fs.IntVar(&s.Instances, "instances", 10000, "idle instances whose memory is measured; 0 leaves the footprint out")
	fs.IntVar(&s.Starts, "starts", 5, "starts whose time is measured")
	fs.StringVar(&s.Only, "only", "", "measure only this row (such as read), or only the databases (stores)")
	fs.BoolVar(&s.Check, "check", false, "exit with status 1 when a target is missed")
	fs.StringVar(&s.TestServer, "testserver", "bin/testserver", "the program that runs databases")
	fs.StringVar(&s.Stores, "stores", "postgres,cassandra", "databases that are measured, each on a server of its own; empty leaves them out")
	storeCallers := fs.String("store-callers", "64,256", "numbers of concurrent callers on the databases")
	fs.DurationVar(&s.StoreWarmUp, "store-warm-up", 10*time.Second, "how long all that contends on a database runs before it counts")
	_ = fs.Parse(args) // it exits on errors
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q; see bench -h", fs.Arg(0))
	}
	var err error
	if s.Callers, err = numbers("callers", *callers); err != nil {
		return nil, err
	}
	if s.StoreCallers, err = numbers("store-callers", *storeCallers); err != nil {
		return nil, err
	}
	if s.databases, err = chosenDatabases(s.Stores); err != nil {
		return nil, err
	}
	if s.Rounds < 1 || s.Round < 10*time.Millisecond || s.Connections < 1 || s.Entities < 1 || s.Starts < 1 || s.Instances < 0 {
		return nil, fmt.Errorf("give at least 1 round, connection, entity and start, and rounds of 10ms or more")
	}
	if s.Only != "" && s.Only != onlyStores && rowNamed(s.Only) == nil {
		return nil, fmt.Errorf("-only %q: choose one of %s, %s", s.Only, strings.Join(rowNames(), ", "), onlyStores)
	}
	if s.Only != "" && s.Only != onlyStores {
		s.databases = nil
	}
	return s, nil
}

// numbers reads numbers from 1, separated by commas.
func numbers(flag, text string) ([]int, error) {
	var list []int
	for text := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-%s %q: give numbers from 1, separated by commas", flag, text)
		}
		list = append(list, n)
	}
	return list, nil
}

func chosenDatabases(text string) ([]*database, error) {
	var chosen []*database
	for name := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' }) {
		d := databaseNamed(name)
		if d == nil {
			return nil, fmt.Errorf("-stores %q: choose of postgres and cassandra, separated by a comma", text)
		}
		chosen = append(chosen, d)
	}
	return chosen, nil
}
