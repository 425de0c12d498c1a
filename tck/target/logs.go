package target

import (
	"bytes"
	"sync"
)

const (
	maxLines = 2000
	maxLine  = 4096 // bytes
)

// Logs keeps the latest lines that a process wrote. It is an io.Writer, safe for concurrent use.
type Logs struct {
	mu      sync.Mutex
	lines   []string // a ring once it has maxLines
	next    int
	partial []byte
	cut     bool // the partial line is longer than maxLine; the rest is thrown away
}

// Write keeps p. It never fails.
func (l *Logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		part := p
		if end >= 0 {
			part = p[:end]
		}
		if room := maxLine - len(l.partial); len(part) > room {
			part, l.cut = part[:room], true
		}
		l.partial = append(l.partial, part...)
		if end < 0 {
			break
		}
		l.flush()
		p = p[end+1:]
	}
	return n, nil
}

func (l *Logs) flush() {
	line := string(bytes.TrimRight(l.partial, "\r"))
	if l.cut {
		line += " …"
	}
	l.partial, l.cut = l.partial[:0], false
	l.add(line)
}

func (l *Logs) add(line string) {
	if len(l.lines) < maxLines {
		l.lines = append(l.lines, line)
		return
	}
	l.lines[l.next] = line
	l.next = (l.next + 1) % maxLines
}

// Note adds a line of the kit's own, such as the exit status.
func (l *Logs) Note(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.partial) > 0 {
		l.flush()
	}
	l.add(line)
}

// Last returns the last n lines, oldest first; all that are kept when n <= 0. An unfinished line counts.
func (l *Logs) Last(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]string, 0, len(l.lines)+1)
	all = append(append(all, l.lines[l.next:]...), l.lines[:l.next]...)
	if len(l.partial) > 0 {
		all = append(all, string(l.partial))
	}
	if n > 0 && len(all) > n {
		all = all[len(all)-n:]
	}
	return all
}
