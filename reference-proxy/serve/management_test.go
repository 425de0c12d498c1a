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

// quarantined are entities by persistence id and entity id, all of which a retry may mean.
type quarantined [][2]string

func (quarantined) List() []QuarantinedEntity { return nil }

func (q quarantined) Retry(which func(persistenceID, entityID string) bool) int {
	n := 0
	for _, e := range q {
		if which(e[0], e[1]) {
			n++
		}
	}
	return n
}

// TestRetryOfSome: a retry is for those entities that the parameters name, in the list's notation; what cannot be read names none.
func TestRetryOfSome(t *testing.T) {
	m := NewManagement(ManagementConfig{Quarantine: quarantined{{"cart", "c7"}, {"cart", "a%00b"}, {"order", "c7"}}})
	for query, want := range map[string]struct {
		status int
		says   string
	}{
		"":                                     {200, `"retried": 3`},
		"?persistenceId=cart":                  {200, `"retried": 2`},
		"?persistenceId=cart&entityId=c7":      {200, `"retried": 1`},
		"?persistenceId=cart&entityId=a%2500b": {200, `"retried": 1`},
		"?persistenceId=cart&entityId=c8":      {200, `"retried": 0`},
		"?entityId=c7":                         {400, "say whose entity it is"},
		"?entity=c7":                           {400, "there is no parameter entity"},
		"?persistenceId=50%":                   {400, "is written %25"},
		"?persistenceId=cart;entityId=c7":      {400, "is written %3B"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/quarantine/retry", http.NoBody)
		r.URL.RawQuery = strings.TrimPrefix(query, "?")
		m.server.Handler.ServeHTTP(w, r)
		if body := w.Body.String(); w.Code != want.status || !strings.Contains(body, want.says) {
			t.Errorf("%s: %d %s, want %d and %s", query, w.Code, body, want.status, want.says)
		}
	}
}
