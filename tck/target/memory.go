package target

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Resident returns how much memory the target and all that it started hold in bytes, as Linux counts it (VmRSS): the sum over the
// processes of its group.
func (p *Process) Resident() (int64, error) {
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	if cmd == nil || !p.Running() {
		return 0, fmt.Errorf("%s: %w", p.config.Ref, ErrNotRunning)
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, fmt.Errorf("listing processes: %w", err)
	}
	pages := int64(0)
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// After the name, which may hold spaces and is in brackets: state, parent, group, ...; the resident pages are field 24 of all.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 22 || fields[2] != strconv.Itoa(cmd.Process.Pid) {
			continue
		}
		n, err := strconv.ParseInt(fields[21], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		pages += n
	}
	return pages * int64(os.Getpagesize()), nil
}
