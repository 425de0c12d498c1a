package target

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// CellMarker is the name of the variable that marks all that a cell of a matrix starts.
const CellMarker = "CLOUDSTATE_TCK_CELL"

// maxRounds bounds how often the processes are looked through: what forks faster than that is not ended by a kit.
const maxRounds = 20

// EndStrays kills every process whose environment holds marker, NAME=value, until there is none: what a target has started and taken out of its
// process group. It returns how many it killed. Only Linux shows environments (/proc); elsewhere it finds nothing.
func EndStrays(marker string) int {
	killed := map[int]bool{}
	for range maxRounds {
		found := 0
		for _, pid := range marked(marker) {
			if err := syscall.Kill(pid, syscall.SIGKILL); err == nil && !killed[pid] {
				killed[pid] = true
				found++
			}
		}
		if found == 0 {
			break
		}
	}
	return len(killed)
}

// marked returns the processes whose environment holds marker, this one excepted.
func marked(marker string) []int {
	paths, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil
	}
	var pids []int
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		// A process that is gone, or of somebody else, cannot be read.
		if environ, err := os.ReadFile(path); err == nil && holds(environ, marker) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func holds(environ []byte, marker string) bool {
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if string(entry) == marker {
			return true
		}
	}
	return false
}
