package target

import (
	"bytes"
	"strings"
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
	since   int // how many lines were written since Mark, at most maxLines
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
	l.since = min(l.since+1, maxLines)
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

// Mark begins a new launch for [Logs.Since].
func (l *Logs) Mark() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = 0
}

// Since returns the lines that were written since the last Mark, of those that are kept.
func (l *Logs) Since() []string {
	l.mu.Lock()
	n := l.since
	if len(l.partial) > 0 {
		n++
	}
	l.mu.Unlock()
	if n == 0 {
		return nil
	}
	return l.Last(n)
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

// Tail renders the last n lines for an error text.
func (l *Logs) Tail(n int) string {
	lines := l.Last(n)
	if len(lines) == 0 {
		return "; it wrote nothing"
	}
	return "; its last lines:\n  | " + strings.Join(lines, "\n  | ")
}
