package testkit

import (
	"context"
	"log/slog"
	"sync"
)

// panics is where the library logs to. It keeps what is said of a panic, which peers are not told.
type panics struct {
	mutex sync.Mutex
	text  string
}

// take returns value and stack of a panic since the last take, empty for none.
func (p *panics) take() string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	text := p.text
	p.text = ""
	return text
}

// Enabled implements slog.Handler.
func (p *panics) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle implements slog.Handler. Its keys are those of wire.Guard.
func (p *panics) Handle(_ context.Context, record slog.Record) error {
	var value, stack string
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "panic":
			value = a.Value.String()
		case "stack":
			stack = a.Value.String()
		}
		return true
	})
	if stack != "" {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.text = "panic: " + value + "\n" + stack
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (p *panics) WithAttrs([]slog.Attr) slog.Handler { return p }

// WithGroup implements slog.Handler.
func (p *panics) WithGroup(string) slog.Handler { return p }
