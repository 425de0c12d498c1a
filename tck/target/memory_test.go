package target

import (
	"errors"
	"testing"
)

// The memory of the whole group is counted: here the shell's child, which holds the text, and not only the shell.
func TestResident(t *testing.T) {
	var p *Process
	p = shell(t, `sh -c 'text=$(head -c 33554432 /dev/zero | tr "\0" x); echo full; while :; do sleep 0.05; done' & wait`, said(&p, "full"))
	if _, err := p.Resident(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("of what does not run: %v", err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := p.Resident(); err != nil || n < 32<<20 || n > 1<<30 {
		t.Errorf("%d bytes, %v; the child holds 32 MiB", n, err)
	}
}
