package matrix

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// memoryPerJob is what a proxy, a frontend and a kit need together, with room to spare.
const memoryPerJob = 1 << 30

// Jobs returns how much weight fits on a machine: as many as processors, but no more than fit into memory, of which 0 bytes means not known.
func Jobs(processors int, memory uint64) int {
	jobs := max(processors, 1)
	if memory > 0 {
		jobs = min(jobs, max(int(memory/memoryPerJob), 1))
	}
	return jobs
}

// FreeMemory returns how many bytes this machine can hand out, or 0 where it does not say so.
func FreeMemory() uint64 {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), "MemAvailable:")
		if !ok {
			continue
		}
		var kibibytes uint64
		if _, err := fmt.Sscanf(text, "%d kB", &kibibytes); err == nil {
			return kibibytes << 10
		}
	}
	return 0
}
