package script

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

const help = `One step a line, in the words of a script:
  open: event-sourced                  send: {init: {service_name: S, entity_id: e}}
  expect: {reply: {}}                  break: garbage
  close      cancel      status: NOT_FOUND      expect-end: OK      delay: 1s
Besides: list (what is served), help, quit. What passes is shown as it passes.
`

// Terminal returns a writer to w that the prompt and whoever shows what passes may use at the same time.
func Terminal(w io.Writer) io.Writer { return &terminal{to: w} }

type terminal struct {
	mu sync.Mutex
	to io.Writer
}

// Write implements io.Writer.
func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.to.Write(p)
}

// Prompt runs the steps that a person types on in, a line each, until "quit", the end of in, or ctx's end. A step that fails says so on out, and the
// next one may be tried. list shows what is served.
func (r *Runner) Prompt(ctx context.Context, in io.Reader, out io.Writer, list func(io.Writer)) {
	defer r.Abandon()
	lines := make(chan string)
	over := make(chan struct{})
	defer close(over)
	go func() { // ends with in; nothing else ends a read from a terminal
		defer close(lines)
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, maxBytes)
		for scanner.Scan() {
			select {
			case lines <- strings.TrimSpace(scanner.Text()):
			case <-over:
				return
			}
		}
	}()
	for number := 1; ; number++ {
		fmt.Fprint(out, "> ")
		var line string
		var more bool
		select {
		case line, more = <-lines:
		case <-ctx.Done():
		}
		switch {
		case !more || line == "quit":
			return
		case line == "help":
			fmt.Fprint(out, help)
		case line == "list":
			list(out)
		case line != "":
			if !strings.Contains(line, ":") {
				line += ":"
			}
			step, err := ParseStep(fmt.Sprintf("line %d", number), []byte(line), r.as)
			if err == nil {
				err = r.Do(ctx, step)
			}
			if err != nil {
				fmt.Fprintln(out, err)
			}
		}
	}
}
