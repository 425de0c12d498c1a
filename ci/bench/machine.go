package main

import (
	"os"
	"runtime"
	"strings"
)

// machine is what a reader must know to judge the numbers.
type machine struct {
	CPU        string `json:"cpu"`
	Processors int    `json:"processors"`
	Memory     string `json:"memory"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
	// LoadBefore and LoadAfter are the load averages of the last minute: what else ran shows in the first.
	LoadBefore string `json:"load_before"`
	LoadAfter  string `json:"load_after"`
}

func inspect() machine {
	return machine{
		CPU:        entry("/proc/cpuinfo", "model name"),
		Processors: runtime.NumCPU(),
		Memory:     entry("/proc/meminfo", "MemTotal"),
		Kernel:     firstWord("/proc/sys/kernel/osrelease"),
		Go:         runtime.Version(),
		LoadBefore: firstWord("/proc/loadavg"),
	}
}

// entry is the value of the first "name: value" line of a file, "unknown" without one.
func entry(path, name string) string {
	b, _ := os.ReadFile(path) // not every Linux tells everything
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func firstWord(path string) string {
	b, _ := os.ReadFile(path) // not every Linux tells everything
	if words := strings.Fields(string(b)); len(words) > 0 {
		return words[0]
	}
	return "unknown"
}
