package cli

import (
	"fmt"
	"io"

	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// progress shows what the engine is doing: one line that changes on a terminal, otherwise a line for each start and each failure.
type progress struct {
	out      io.Writer
	terminal bool
	ran, bad int
}

func newProgress(out io.Writer, terminal bool) *progress {
	return &progress{out: out, terminal: terminal}
}

// Starting implements engine.Events.
func (p *progress) Starting(what string) {
	if p.terminal {
		p.line("starting " + what + " …")
		return
	}
	p.printf("starting %s\n", what)
}

// Finished implements engine.Events.
func (p *progress) Finished(c verdict.Case) {
	p.ran++
	if c.Verdict.Broken() || c.Verdict == verdict.Error {
		p.bad++
		if !p.terminal {
			p.printf("%s %s\n", c.Verdict, c.ID)
		}
	}
	if p.terminal {
		p.line(fmt.Sprintf("%d cases, %d failed or in error  %s", p.ran, p.bad, c.ID))
	}
}

// line replaces the terminal's current line.
func (p *progress) line(text string) {
	const columns = 100
	if len(text) > columns {
		text = text[:columns]
	}
	p.printf("\r\x1b[2K%s", text)
}

// done clears the line.
func (p *progress) done() {
	if p.terminal {
		p.printf("\r\x1b[2K")
	}
}

func (p *progress) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format, args...) // a terminal that is gone shows nothing; the reports say it all again
}
