package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// failure is what is known of the store having failed for good, and the place where
// Pebble's own messages go.
type failure struct {
	log   *slog.Logger
	fatal func(error)
	once  sync.Once
	err   atomic.Pointer[error]
	told  atomic.Pointer[string] // the damage that was logged last
	tried atomic.Int64           // when background was logged last, in nanoseconds of Unix time
}

var _ pebble.Logger = (*failure)(nil)

// Infof gets Pebble's diary.
func (f *failure) Infof(format string, args ...any) {
	f.log.Debug("embedded store", "engine", fmt.Sprintf(format, args...))
}

// Errorf gets what went wrong in the background; Pebble tries again by itself.
func (f *failure) Errorf(format string, args ...any) {
	f.log.Error("embedded store", "engine", fmt.Sprintf(format, args...))
}

// damaged gets each meeting with damage in a file. Who reads the same place again does not fill the log.
func (f *failure) damaged(what string) {
	if last := f.told.Swap(&what); last == nil || *last != what {
		f.Errorf("%s", what)
	}
}

// backgroundEvery is how often it is logged that Pebble's work in the background fails: it may fail
// many times a second.
const backgroundEvery = 10 * time.Second

// background gets what keeps Pebble from moving data into files; it tries again by itself.
func (f *failure) background(err error) {
	now, told := time.Now().UnixNano(), f.tried.Load()
	if now-told >= int64(backgroundEvery) && f.tried.CompareAndSwap(told, now) {
		f.log.Error("the embedded store cannot move data into files; it goes on trying", "error", oneLine{err})
	}
}

// Fatalf gets what Pebble cannot go on after. It does not return, unless fatal does:
// then Pebble returns from the failed commit as if it had worked, which is why every
// commit is followed by a look at failed.
func (f *failure) Fatalf(format string, args ...any) {
	err := fmt.Errorf("%w: "+format, append([]any{errEngine}, args...)...)
	f.err.CompareAndSwap(nil, &err)
	f.once.Do(func() { f.fatal(err) })
}

var errEngine = errors.New("the embedded store failed")

// failed returns ErrUnknownOutcome once the store cannot go on.
func (f *failure) failed() error {
	if p := f.err.Load(); p != nil {
		return fmt.Errorf("%w: %w", journal.ErrUnknownOutcome, *p)
	}
	return nil
}

// damage is the error for what is stored of id being wrong.
func (s *Store) damage(id journal.EntityID, cause error, format string, args ...any) error {
	return &journal.CorruptError{Path: s.dir.path, ID: id, What: fmt.Sprintf(format, args...), Cause: cause}
}

// oneLine is an error of Pebble's without the lines that it adds for its own developers.
type oneLine struct{ error }

func (e oneLine) Error() string {
	line, _, _ := strings.Cut(e.error.Error(), "\n")
	return line
}

func (e oneLine) Unwrap() error { return e.error }

// trouble is the error for Pebble having failed to read rows of id. Its message
// names the damaged file.
func (s *Store) trouble(id journal.EntityID, cause error) error {
	if pebble.IsCorruptionError(cause) {
		return s.damage(id, oneLine{cause}, "a file is damaged")
	}
	return fmt.Errorf("embedded store at %s: reading %s: %w", s.dir.path, id, cause)
}
