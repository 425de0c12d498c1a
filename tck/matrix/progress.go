package matrix

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Progress shows what a matrix is doing: on a terminal a line for each cell that has ended and one, which changes, of those that run; otherwise a line for
// each beginning and each end. It is called from one goroutine at a time.
type Progress struct {
	out      io.Writer
	terminal bool
	total    int
	ended    int
	running  []string
}

// NewProgress shows total cells on out.
func NewProgress(out io.Writer, terminal bool, total int) *Progress {
	return &Progress{out: out, terminal: terminal, total: total}
}

// Began implements [Events].
func (p *Progress) Began(cell Cell) {
	p.running = append(p.running, cell.Name)
	if !p.terminal {
		fmt.Fprintf(p.out, "began %s\n", cell.Name)
		return
	}
	p.now()
}

// Ended implements [Events].
func (p *Progress) Ended(result CellResult) {
	p.ended++
	p.running = slices.DeleteFunc(p.running, func(name string) bool { return name == result.Name })
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[2K")
	}
	text := fmt.Sprintf("%d/%d %s: %s", p.ended, p.total, result.Name, word(result))
	if result.Kept {
		text += ", kept from an earlier matrix"
	} else {
		text += ", " + (time.Duration(result.DurationMS) * time.Millisecond).Round(100*time.Millisecond).String()
	}
	if result.State != Done || result.Verdict != "passed" {
		text += ": " + result.Reason
	}
	fmt.Fprintln(p.out, text)
	if p.terminal {
		p.now()
	}
}

// now shows the cells that run.
func (p *Progress) now() {
	const columns = 100
	text := strings.Join(p.running, "  ")
	if len(text) > columns {
		text = text[:columns]
	}
	fmt.Fprintf(p.out, "\r\x1b[2K%s", text)
	if len(p.running) == 0 {
		fmt.Fprint(p.out, "\r\x1b[2K")
	}
}

// word is the verdict of a cell, or why there is none.
func word(cell CellResult) string {
	if cell.State == Done {
		return string(cell.Verdict)
	}
	return string(cell.State)
}
