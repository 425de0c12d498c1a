package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestHeadroomDelaysCollection(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	nextCollection := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NextGC - m.HeapAlloc
	}
	before := nextCollection()
	room := headroom(func(string) (string, bool) { return "", false })
	with := nextCollection()
	runtime.KeepAlive(room)
	if with < headroomBytes || before >= headroomBytes {
		t.Errorf("%d bytes until the next collection, %d without headroom; want %d and less", with, before, headroomBytes)
	}
}

func TestHeadroomGivesWayToTheEnvironment(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if room := headroom(func(asked string) (string, bool) { return "50", asked == name }); room != nil {
			t.Errorf("%d bytes although %s is set", len(room), name)
		}
	}
}
