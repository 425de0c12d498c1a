package main

import (
	"strings"
	"testing"
	"time"
)

// TestHistoriesAreJudged has the check of histories look at short ones, right and wrong.
func TestHistoriesAreJudged(t *testing.T) {
	type history = []operation
	seconds := func(n int) time.Duration { return time.Duration(n) * time.Second }
	inc := func(id string, called, ended int, what outcome, held string) operation {
		return operation{register: "r", id: id, called: seconds(called), ended: seconds(ended), outcome: what, held: held}
	}
	read := func(called, ended int, held string) operation { return inc("", called, ended, acknowledged, held) }
	for name, c := range map[string]struct {
		history history
		says    string
		took    int // increments of unknown outcome that took effect
	}{
		"one after the other":                {history{inc("1", 0, 1, acknowledged, "1"), read(2, 3, "1"), inc("2", 4, 5, acknowledged, "1 2"), read(9, 10, "1 2")}, "", 0},
		"at the same time":                   {history{inc("1", 0, 5, acknowledged, "2 1"), inc("2", 0, 5, acknowledged, "2"), read(1, 2, ""), read(9, 10, "2 1")}, "", 0},
		"unknown, and never":                 {history{inc("1", 0, 1, unknown, ""), read(2, 3, ""), read(9, 10, "")}, "", 0},
		"unknown, and late":                  {history{inc("1", 0, 1, unknown, ""), read(2, 3, ""), inc("2", 4, 5, acknowledged, "1 2"), read(9, 10, "1 2")}, "", 1},
		"refused":                            {history{inc("1", 0, 1, turnedAway, ""), read(9, 10, "")}, "", 0},
		"refused, and there":                 {history{inc("1", 0, 1, turnedAway, ""), read(9, 10, "1")}, "1 was refused as not carried out, and is there", 0},
		"acknowledged and lost":              {history{inc("1", 0, 1, acknowledged, "1"), read(9, 10, "")}, "1 was acknowledged and is gone", 0},
		"twice":                              {history{inc("1", 0, 1, acknowledged, "1"), read(9, 10, "1 1")}, "1 is there twice", 0},
		"from nowhere":                       {history{read(9, 10, "7")}, "7 is there, which nobody sent", 0},
		"a read that is out of date":         {history{inc("1", 0, 1, acknowledged, "1"), read(2, 3, ""), read(9, 10, "1")}, "not linearizable: the read of caller 0, 2s to 3s, was answered with 0 increments; 1 had", 0},
		"an increment that did not see":      {history{inc("1", 0, 1, acknowledged, "1"), inc("2", 2, 3, acknowledged, "2"), read(9, 10, "2 1")}, "not linearizable", 0},
		"seen, then gone":                    {history{inc("1", 0, 1, unknown, ""), read(2, 3, "1"), read(9, 10, "")}, "not linearizable", 0},
		"unknown, before it was sent":        {history{read(0, 1, "1"), inc("1", 2, 3, unknown, ""), read(9, 10, "1")}, "not linearizable", 1},
		"nobody read at the end":             {history{inc("1", 0, 1, acknowledged, "1")}, "it was not read at the end", 0},
		"an answer that does not stay so":    {history{inc("1", 0, 1, acknowledged, "1"), inc("2", 0, 2, acknowledged, "2"), read(9, 10, "1 2")}, "not linearizable", 0},
		"the order that two answers give it": {history{inc("1", 0, 5, acknowledged, "1 2"), inc("2", 0, 5, acknowledged, "1 2"), read(9, 10, "1 2")}, "not linearizable", 0},
	} {
		faults, registers, took := checkHistory(c.history)
		said := strings.Join(faults, "\n")
		if (c.says == "") != (said == "") || !strings.Contains(said, c.says) || registers != 1 || took != c.took {
			t.Errorf("%s: %d took effect, it says %q, want %d and %q", name, took, said, c.took, c.says)
		}
	}
}
