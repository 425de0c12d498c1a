package telemetry

import (
	"io"
	"log/slog"
)

// Format is how a log record is written.
type Format uint8

// The formats.
const (
	// Text is key=value lines for people.
	Text Format = iota
	// JSON is one JSON object a line for machines.
	JSON
)

// NewLogger returns a logger that writes each record of at least the given level to w, with one call of Write. Loggers
// may be used concurrently; w need not be safe for that. A *slog.LevelVar as level can be changed while in use.
func NewLogger(w io.Writer, level slog.Leveler, format Format) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == JSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
