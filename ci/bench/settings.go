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
	fs.StringVar(&s.Only, "only", "", "measure only this row (such as read)")
	fs.BoolVar(&s.Check, "check", false, "exit with status 1 when a target is missed")
	_ = fs.Parse(args) // it exits on errors
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q; see bench -h", fs.Arg(0))
	}
	for text := range strings.SplitSeq(*callers, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-callers %q: give numbers from 1, separated by commas", *callers)
		}
		s.Callers = append(s.Callers, n)
	}
	if s.Rounds < 1 || s.Round < 10*time.Millisecond || s.Connections < 1 || s.Entities < 1 || s.Starts < 1 || s.Instances < 0 {
		return nil, fmt.Errorf("give at least 1 round, connection, entity and start, and rounds of 10ms or more")
	}
	if s.Only != "" && rowNamed(s.Only) == nil {
		return nil, fmt.Errorf("-only %q: choose one of %s", s.Only, strings.Join(rowNames(), ", "))
	}
	return s, nil
}
