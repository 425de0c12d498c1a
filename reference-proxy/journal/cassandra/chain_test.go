package cassandra

import (
	"flag"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestAnyInterleaving: whatever arrives whenever, what was acknowledged or adopted stays as it
// was, at its place, and nothing of earlier owners appears behind it.
func TestAnyInterleaving(t *testing.T) {
	if f := flag.Lookup("rapid.seed"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("20"); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rules{}, func(what string, n int) int { return rapid.IntRange(0, n-1).Draw(t, what) })
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			if err := w.step(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// play runs one world by a seed and returns what went wrong, and how many events were fixed.
func play(r rules, seed uint64, steps int) (fixed int, err error) {
	random := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(r, func(_ string, n int) int { return random.IntN(n) })
	for range steps {
		if err := w.step(); err != nil {
			return len(w.fixed), err
		}
	}
	return len(w.fixed), nil
}

// TestManyInterleavings is the same, faster and longer.
func TestManyInterleavings(t *testing.T) {
	total := 0
	for seed := range uint64(200) {
		fixed, err := play(rules{}, seed, 300)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		total += fixed
	}
	if total < 1000 {
		t.Fatalf("only %d events were ever acknowledged: the worlds are not alive", total)
	}
	t.Logf("%d events acknowledged", total)
}

// TestEveryRuleIsNeeded breaks the rules one at a time: each has its counterexample. Where that is rare, the search begins near one.
func TestEveryRuleIsNeeded(t *testing.T) {
	near := map[rules]uint64{{noRepair: true}: 850}
	for name, broken := range map[string]rules{
		"no copy on adoption":                  {noCopy: true},
		"no floor in the replay":               {noFloor: true},
		"time stamps of clocks":                {clocks: true},
		"no confirmation":                      {noConfirm: true},
		"confirmation before acknowledgement":  {earlyConfirm: true},
		"same attempt after an unknown write":  {sameAttempt: true},
		"adoption of what a newer owner wrote": {staleCopy: true},
		"a claim without a glance":             {noGlance: true},
		"no read repair of leases":             {noRepair: true},
		"parts without a head used again":      {reusedParts: true},
	} {
		t.Run(name, func(t *testing.T) {
			for n := range uint64(3000) {
				seed := near[broken] + n
				if _, err := play(broken, seed, 300); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("nothing noticed")
		})
	}
}
