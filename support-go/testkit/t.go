package testkit

import (
	"errors"
	"fmt"
	"runtime"
)

// T is what a kit needs of a test. *testing.T, *testing.B, *testing.F and *rapid.T have it; [Try] gives one where there
// is no test. Its methods mean what those of testing.T mean.
type T interface {
	Helper()
	Cleanup(f func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Try runs f with a T of its own, and returns what that was told, joined; nil if nothing. For programs and examples that
// have no testing.T. f runs in a goroutine of its own, which Try waits for.
func Try(f func(t T)) error {
	t := &trial{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer t.clean()
		f(t)
	}()
	<-ended
	return errors.Join(t.errs...)
}

type trial struct {
	errs     []error
	cleanups []func()
}

func (t *trial) Helper() {}

func (t *trial) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *trial) Errorf(format string, args ...any) {
	t.errs = append(t.errs, fmt.Errorf(format, args...))
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

func (t *trial) clean() {
	for len(t.cleanups) > 0 {
		last := t.cleanups[len(t.cleanups)-1]
		t.cleanups = t.cleanups[:len(t.cleanups)-1]
		last()
	}
}
