package serve

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// OPS-01, OPS-03: readiness says why not; liveness does not depend on it.
func TestProbes(t *testing.T) {
	var ready error
	m := NewManagement(ManagementConfig{
		Ready:   func() error { return ready },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "numbers") }),
	})
	for _, c := range []struct {
		ready  error
		path   string
		status int
		says   string
	}{
		{nil, "/ready", 200, "ready\n"},
		{ErrNoStore, "/ready", 503, "not ready: the store cannot be used\n"},
		{errors.New(strings.Repeat("x", 10_000)), "/ready", 503, "(10000 bytes in all)\n"},
		{ErrNoStore, "/live", 200, "live\n"},
		{ErrNoStore, "/alive", 200, "live\n"},
		{ErrNoStore, "/metrics", 200, "numbers"},
		{nil, "/other", 404, ""},
	} {
		ready = c.ready
		w := httptest.NewRecorder()
		m.server.Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, http.NoBody))
		if body := w.Body.String(); w.Code != c.status || !strings.HasSuffix(body, c.says) {
			t.Errorf("%s with %v: %d %q, want %d and %q", c.path, c.ready, w.Code, body, c.status, c.says)
		}
	}
	w := httptest.NewRecorder()
	NewManagement(ManagementConfig{}).server.Handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusNotFound {
		t.Errorf("/metrics of nothing: %d", w.Code)
	}
}
