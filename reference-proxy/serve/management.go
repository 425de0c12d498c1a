package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Management answers the probes of whoever runs the proxy (OPS-01, OPS-03).
type Management struct{ server *http.Server }

// ManagementConfig is what the management port tells.
type ManagementConfig struct {
	// Ready returns nil while the proxy serves clients, and otherwise why it does not: that is told to whoever asks, so
	// it holds no secret. It must not block.
	Ready func() error
	// Metrics, if set, answers GET /metrics.
	Metrics http.Handler
	// Quarantine, if set, tells of entities that are refused.
	Quarantine Quarantine
}

// NewManagement makes the handler of the management port.
func NewManagement(cfg ManagementConfig) *Management {
	mux := http.NewServeMux()
	live := func(w http.ResponseWriter, _ *http.Request) { answerProbe(w, true, "live") }
	mux.HandleFunc("GET /live", live)
	mux.HandleFunc("GET /alive", live)
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := cfg.Ready(); err != nil {
			answerProbe(w, false, "not ready: "+valid(err.Error()))
			return
		}
		answerProbe(w, true, "ready")
	})
	if cfg.Metrics != nil {
		mux.Handle("GET /metrics", cfg.Metrics)
	}
	if cfg.Quarantine != nil {
		mux.HandleFunc("GET /quarantine", func(w http.ResponseWriter, _ *http.Request) { answerQuarantine(w, cfg.Quarantine.List()) })
		mux.HandleFunc("POST /quarantine/retry", func(w http.ResponseWriter, r *http.Request) { retryQuarantine(w, r, cfg.Quarantine) })
	}
	return &Management{&http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}}
}

func answerProbe(w http.ResponseWriter, ok bool, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = fmt.Fprintln(w, text)
}

// Serve answers probes on l until Stop; it closes l.
func (m *Management) Serve(l net.Listener) error {
	if err := m.server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving probes on %s: %w", l.Addr(), err)
	}
	return nil
}

// Stop ends it.
func (m *Management) Stop(ctx context.Context) error { return m.server.Shutdown(ctx) }
