package metered_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/metered"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
	"github.com/stateful-serverless/cloudstate/reference-proxy/telemetry"
)

// TestChangesNothing: what is counted behaves as what it counts.
func TestChangesNothing(t *testing.T) {
	journaltest.Run(t, func(*testing.T) journal.Store {
		return metered.New(memory.New(), telemetry.NewMetrics().NewStoreMetrics("memory"))
	}, journaltest.Try(journaltest.Effort{Checks: 20, Writes: 5, Entities: 10}))
}

// broken fails every call.
type broken struct {
	journal.Store
	err error
}

// TestEveryMethodIsCounted calls each method of a store that was closed, whatever methods there are: each has a name, and its
// failure is counted under it.
func TestEveryMethodIsCounted(t *testing.T) {
	m := telemetry.NewMetrics()
	closed := memory.New()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	var s journal.Store = metered.New(closed, m.NewStoreMetrics("memory"))
	methods := reflect.TypeFor[journal.Store]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		if name == "Close" {
			continue
		}
		method := reflect.ValueOf(s).MethodByName(name)
		args := make([]reflect.Value, method.Type().NumIn())
		for i := range args {
			args[i] = reflect.Zero(method.Type().In(i))
		}
		args[0] = reflect.ValueOf(t.Context())
		method.Call(args)
		series := fmt.Sprintf(`cloudstate_store_operation_seconds_count{operation=%q,store="memory"} 1`, snake(name))
		if page := scrape(t, m); !strings.Contains(page, series+"\n") {
			t.Errorf("after a call of %s there is no line %s", name, series)
		}
	}
}

// snake turns GetValue into get_value.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// scrape is the page in the text format.
func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, family := range families {
		for _, series := range family.GetMetric() {
			fmt.Fprintln(&b, line(family, series))
		}
	}
	return b.String()
}

func line(family *dto.MetricFamily, series *dto.Metric) string {
	labels := make([]string, len(series.GetLabel()))
	for i, l := range series.GetLabel() {
		labels[i] = fmt.Sprintf("%s=%q", l.GetName(), l.GetValue())
	}
	at := "{" + strings.Join(labels, ",") + "}"
	switch {
	case series.GetHistogram() != nil:
		return fmt.Sprintf("%s_count%s %d", family.GetName(), at, series.GetHistogram().GetSampleCount())
	case series.GetGauge() != nil:
		return fmt.Sprintf("%s%s %v", family.GetName(), at, series.GetGauge().GetValue())
	}
	return fmt.Sprintf("%s%s %v", family.GetName(), at, series.GetCounter().GetValue())
}

func (b broken) Append(context.Context, journal.Fence, journal.EntityID, uint64, []journal.Entry) error {
	return b.err
}

// TestErrorsAreTold has every kind of error, wrapped as stores wrap them. Each is explained in docs/operations/metrics.md.
func TestErrorsAreTold(t *testing.T) {
	explained, err := os.ReadFile("../../../docs/operations/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	id := journal.EntityID{Namespace: "secret", Key: "secret"}
	for _, c := range []struct {
		err  error
		kind string
	}{
		{&journal.FencedError{}, "fenced"},
		{&journal.ConflictError{ID: id}, "conflict"},
		{&journal.HeldError{}, "held"},
		{&journal.PrunedError{ID: id}, "pruned"},
		{&journal.FullError{}, "full"},
		{&journal.CorruptError{ID: id}, "corrupt"},
		{fmt.Errorf("%w: %s", journal.ErrTooLarge, id), "too_large"},
		{journal.ErrInvalid, "invalid"},
		{journal.ErrClosed, "closed"},
		{journal.ErrFormat, "format"},
		{journal.ErrSchema, "schema"},
		{fmt.Errorf("%w: %w", journal.ErrUnavailable, context.DeadlineExceeded), "unavailable"},
		{fmt.Errorf("%w: %w", journal.ErrUnknownOutcome, journal.ErrUnavailable), "unknown_outcome"},
		{fmt.Errorf("not started: %w", context.DeadlineExceeded), "deadline_exceeded"},
		{context.Canceled, "cancelled"},
		{errors.New("secret"), "other"},
	} {
		m := telemetry.NewMetrics()
		s := metered.New(broken{err: c.err}, m.NewStoreMetrics("memory"))
		if err := s.Append(t.Context(), journal.Fence{}, id, 0, nil); !errors.Is(err, c.err) {
			t.Errorf("the error became %v", err)
		}
		page := scrape(t, m)
		if want := fmt.Sprintf(`cloudstate_store_operation_errors_total{error=%q,operation="append",store="memory"} 1`, c.kind); !strings.Contains(page, want+"\n") {
			t.Errorf("%v: there is no line %s", c.err, want)
		}
		if !strings.Contains(string(explained), "`"+c.kind+"`") {
			t.Errorf("docs/operations/metrics.md does not explain the error %s", c.kind)
		}
		if strings.Contains(page, "secret") {
			t.Error("the page names an entity")
		}
	}
}

// waiting tells when it was called, and waits.
type waiting struct {
	journal.Store
	called, goOn chan struct{}
}

func (w waiting) GetValue(context.Context, journal.EntityID) (journal.Value, error) {
	close(w.called)
	<-w.goOn
	return journal.Value{}, nil
}

func TestInFlight(t *testing.T) {
	m := telemetry.NewMetrics()
	w := waiting{called: make(chan struct{}), goOn: make(chan struct{})}
	s := metered.New(w, m.NewStoreMetrics("memory"))
	done := make(chan struct{})
	go func() { defer close(done); _, _ = s.GetValue(context.Background(), journal.EntityID{}) }()
	<-w.called
	const line = `cloudstate_store_operations_in_flight{operation="get_value",store="memory"} `
	if !strings.Contains(scrape(t, m), line+"1\n") {
		t.Error("a call under way is not counted")
	}
	close(w.goOn)
	<-done
	if !strings.Contains(scrape(t, m), line+"0\n") {
		t.Error("a call that returned is still counted")
	}
}

func TestBytes(t *testing.T) {
	m := telemetry.NewMetrics()
	s := metered.New(memory.New(), m.NewStoreMetrics("memory"))
	ctx, id := t.Context(), journal.EntityID{Key: "k"}
	f := own(t, s)
	entry := journal.Entry{Payload: make([]byte, 100), Note: make([]byte, 10)}
	_, err := s.PutValue(ctx, f, id, 0, entry)
	if err := errors.Join(err, s.Append(ctx, f, id, 0, []journal.Entry{entry, entry}),
		s.SaveSnapshot(ctx, f, id, journal.Snapshot{Seq: 2, Payload: make([]byte, 1000)})); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(ctx, f, id, 0, []journal.Entry{entry}); !errors.Is(err, journal.ErrConflict) {
		t.Fatal(err) // and not counted
	}
	_, _, err = s.Read(ctx, id, 0, journal.Chunk{})
	_, _, err2 := s.LatestSnapshot(ctx, id)
	_, err3 := s.GetValue(ctx, id)
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`cloudstate_store_written_bytes_total{store="memory"} 1330`, `cloudstate_store_read_bytes_total{store="memory"} 1330`} {
		if page := scrape(t, m); !strings.Contains(page, want+"\n") {
			t.Errorf("there is no line %s in:\n%s", want, page)
		}
	}
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.NewWithMetricFamilies(families).Lint(); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func own(t testing.TB, s journal.Store) journal.Fence {
	t.Helper()
	if err := s.BeginLease(t.Context(), "h", time.Minute); err != nil {
		t.Fatal(err)
	}
	f, err := s.Claim(t.Context(), 1, 0, "h")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// BenchmarkCost is what counting adds to a write: to one of memory, where it shows, and to one of the embedded store, where it
// must not.
func BenchmarkCost(b *testing.B) {
	for _, counted := range []bool{false, true} {
		open := func(b *testing.B, s journal.Store) journal.Store {
			b.Helper()
			if !counted {
				return s
			}
			return metered.New(s, telemetry.NewMetrics().NewStoreMetrics("x"))
		}
		b.Run(fmt.Sprintf("memory/counted=%v", counted), func(b *testing.B) { benchAppend(b, open(b, memory.New())) })
		b.Run(fmt.Sprintf("embedded/counted=%v", counted), func(b *testing.B) {
			s, err := pebble.Open(b.TempDir(), pebble.Options{ReserveBytes: -1})
			if err != nil {
				b.Fatal(err)
			}
			benchAppend(b, open(b, s))
		})
	}
	b.Run("counting alone", func(b *testing.B) {
		o := telemetry.NewMetrics().NewStoreMetrics("x").Operation("append")
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				o.End(o.Begin(), "")
			}
		})
	})
}

func benchAppend(b *testing.B, s journal.Store) {
	b.Helper()
	defer s.Close()
	f := own(b, s)
	batch := []journal.Entry{{Payload: make([]byte, 200)}}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range uint64(b.N) {
		if err := s.Append(b.Context(), f, journal.EntityID{Key: "k"}, i, batch); err != nil {
			b.Fatal(err)
		}
	}
}
