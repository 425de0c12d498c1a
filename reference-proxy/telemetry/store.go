package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// latencyBuckets reach from a write to memory to the longest time-out that anybody should set, in seconds.
var latencyBuckets = []float64{
	0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
}

// groupBuckets are sizes of groups.
var groupBuckets = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}

// StoreMetrics are the numbers of one store.
type StoreMetrics struct {
	seconds       *prometheus.HistogramVec
	failures      *prometheus.CounterVec
	inFlight      *prometheus.GaugeVec
	groups        *prometheus.HistogramVec
	written, read prometheus.Counter
}

// NewStoreMetrics registers the numbers of the store of the given kind. A proxy has one store.
func (m *Metrics) NewStoreMetrics(store string) *StoreMetrics {
	own := prometheus.Labels{"store": store}
	s := &StoreMetrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cloudstate_store_operation_seconds", Buckets: latencyBuckets, ConstLabels: own,
			Help: "How long calls of the store took, failed ones included.",
		}, []string{"operation"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cloudstate_store_operation_errors_total", ConstLabels: own,
			Help: "Calls of the store that failed or were refused.",
		}, []string{"operation", "error"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "cloudstate_store_operations_in_flight", ConstLabels: own,
			Help: "Calls of the store that have not returned.",
		}, []string{"operation"}),
		groups: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cloudstate_store_group_size", Buckets: groupBuckets, ConstLabels: own,
			Help: "How many calls shared one trip to the store.",
		}, []string{"group"}),
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cloudstate_store_written_bytes_total", ConstLabels: own,
			Help: "Bytes of events, snapshots and values that were written.",
		}),
		read: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cloudstate_store_read_bytes_total", ConstLabels: own,
			Help: "Bytes of events, snapshots and values that were read.",
		}),
	}
	m.registry.MustRegister(s.seconds, s.failures, s.inFlight, s.groups, s.written, s.read)
	return s
}

// Written counts bytes that were written.
func (s *StoreMetrics) Written(bytes int) { s.written.Add(float64(bytes)) }

// Read counts bytes that were read.
func (s *StoreMetrics) Read(bytes int) { s.read.Add(float64(bytes)) }

// Group returns what is told the size of each group of the given kind.
func (s *StoreMetrics) Group(kind string) (observe func(items int)) {
	h := s.groups.WithLabelValues(kind)
	return func(items int) { h.Observe(float64(items)) }
}

// Operation returns the numbers of one operation. The errors named are there from the start, as 0; others come
// when they happen. Both must be of a bounded number.
func (s *StoreMetrics) Operation(name string, errors ...string) *Operation {
	for _, e := range errors {
		s.failures.WithLabelValues(name, e)
	}
	return &Operation{
		seconds:  s.seconds.WithLabelValues(name),
		inFlight: s.inFlight.WithLabelValues(name),
		failures: s.failures.MustCurryWith(prometheus.Labels{"operation": name}),
	}
}

// Operation is the numbers of one operation of a store.
type Operation struct {
	seconds  prometheus.Observer
	inFlight prometheus.Gauge
	failures *prometheus.CounterVec
}

// Begin is called before the operation; End gets what it returns.
func (o *Operation) Begin() time.Time {
	o.inFlight.Inc()
	return time.Now()
}

// End is called after it, with the kind of error that it ended with, "" for none.
func (o *Operation) End(began time.Time, failure string) {
	o.inFlight.Dec()
	o.seconds.Observe(time.Since(began).Seconds())
	if failure != "" {
		o.failures.WithLabelValues(failure).Inc()
	}
}
