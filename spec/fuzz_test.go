package spec

import (
	"testing"

	cloudstate "github.com/stateful-serverless/cloudstate"
)

// FuzzParse: whatever the text is, Parse does not panic, and either gives a catalogue that keeps its promises or faults that say where
// and what to do.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(cloudstate.Spec))
	f.Add([]byte("- **"))
	f.Add([]byte("## A (ES)\n- **ES-01**\n  - Not tested:"))
	f.Add([]byte("```\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil {
			if c != nil {
				t.Error("a catalogue besides the error")
			}
			all := faults(err)
			if len(all) == 0 {
				t.Errorf("an error without faults: %v", err)
			}
			for _, fault := range all {
				if fault.What == "" || fault.Remedy == "" || fault.Line < 0 {
					t.Errorf("a poor fault: %+v", fault)
				}
			}
			return
		}
		if c.Version == "" || len(c.Requirements) == 0 {
			t.Errorf("an empty catalogue: %+v", c)
		}
		for _, r := range c.Requirements {
			again, ok := c.Lookup(r.ID)
			if !ok || again.Line != r.Line {
				t.Errorf("%s cannot be looked up", r.ID)
			}
			if r.InForce() == (r.Level == "") || r.InForce() == (r.Text == "") || r.InForce() == (r.Since == "") {
				t.Errorf("half a requirement: %+v", r)
			}
		}
	})
}

// BenchmarkParse measures one reading of the embedded text; a process does it once.
func BenchmarkParse(b *testing.B) {
	text := []byte(cloudstate.Spec)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
