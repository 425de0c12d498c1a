package spec

import (
	"fmt"
	"testing"
)

func load0(t *testing.T) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatalf("the embedded SPEC.md does not parse:\n%v", err)
	}
	return c
}

// inventoryRows is how many rows the inventory of the original system has in each area that is in force.
var inventoryRows = map[string]int{
	"DISC": 34, "SERV": 30, "ES": 48, "VE": 27, "ACT": 27, "FWD": 19, "META": 13, "SER": 9, "LIM": 11, "OPS": 11, "STO": 10,
}

func TestEmbeddedSpecParses(t *testing.T) {
	c := load0(t)
	if c.Version != "0.2.0" || c.Protocol != "0.2" {
		t.Errorf("version %s, protocol %s", c.Version, c.Protocol)
	}
	for _, code := range []string{"CRDT", "EVT", "HTTP", "GWEB", "MET", "AUTO", "CLU", "OPR"} {
		if a, ok := c.Area(code); !ok || !a.Reserved {
			t.Errorf("the area %s is not reserved", code)
		}
	}
	again, _ := Load()
	if again != c {
		t.Error("Load parsed the text twice")
	}
}

func TestEveryInventoryRowIsDecided(t *testing.T) {
	c := load0(t)
	decided := map[string]bool{}
	for _, d := range c.Decisions {
		decided[d.ID] = true
	}
	total := 0
	for code, rows := range inventoryRows {
		if a, ok := c.Area(code); !ok || a.Reserved {
			t.Errorf("the area %s is not in force", code)
		}
		for n := 1; n <= rows; n++ {
			id := fmt.Sprintf("%s-%02d", code, n)
			if !decided[id] {
				t.Errorf("%s is not decided", id)
			}
			total++
		}
	}
	if len(c.Decisions) != total {
		t.Errorf("%d decisions on %d rows", len(c.Decisions), total)
	}
}

func TestEveryGapInScopeIsSettled(t *testing.T) {
	c := load0(t)
	settled := map[string]bool{}
	for _, g := range c.Gaps {
		settled[g.ID] = true
	}
	for _, span := range [][2]int{{1, 63}, {89, 95}, {133, 136}, {157, 167}} {
		for n := span[0]; n <= span[1]; n++ {
			if id := fmt.Sprintf("GAP-%02d", n); !settled[id] {
				t.Errorf("%s is not settled", id)
			}
		}
	}
}
