package serve

import (
	"context"
	"errors"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// Why an edge is not ready.
var (
	// ErrStopping: it was told to stop.
	ErrStopping = errors.New(stoppingText)
	// ErrNoStore: the store cannot be used.
	ErrNoStore = errors.New("the store cannot be used")
	// ErrNoFunction: no user function is there whose services can be served.
	ErrNoFunction = errors.New("the user function is not available")
)

// health tells clients, by grpc.health.v1, whether they are served (OPS-15 to OPS-17).
type health struct {
	server *grpchealth.Server

	mu       sync.Mutex
	names    []string
	serves   bool // a user function
	noStore  bool // it cannot be used
	stopping bool
}

func newHealth() *health {
	h := &health{server: grpchealth.NewServer()}
	h.server.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	return h
}

func (h *health) register(s *grpc.Server) {
	healthpb.RegisterHealthServer(s, healthService{h.server, h})
}

// healthService answers NOT_FOUND for a service that was served once and is no more:
// grpc's own health server forgets no name (OPS-16).
type healthService struct {
	*grpchealth.Server
	health *health
}

func (s healthService) Check(ctx context.Context, req *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if !s.health.knows(req.GetService()) {
		return nil, status.Error(codes.NotFound, "unknown service")
	}
	return s.Server.Check(ctx, req)
}

func (h *health) knows(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return name == "" || slices.Contains(h.names, name)
}

// serving says that the services with these names are served, and no others.
func (h *health) serving(names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopping {
		return
	}
	for _, n := range h.names {
		if !slices.Contains(names, n) {
			h.server.SetServingStatus(n, healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
		}
	}
	h.names = names
	h.serves = true
	h.tell()
}

func (h *health) notServing() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.serves = false
	h.tell()
}

func (h *health) storeUsable(usable bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noStore = !usable
	h.tell()
}

// tell sets what clients are told.
func (h *health) tell() {
	if h.stopping {
		return
	}
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if h.isReady() {
		status = healthpb.HealthCheckResponse_SERVING
	}
	for _, n := range h.names {
		h.server.SetServingStatus(n, status)
	}
	h.server.SetServingStatus("", status)
}

// shutdown is for good: what was serving no longer is.
func (h *health) shutdown() {
	h.mu.Lock()
	h.stopping = true
	h.mu.Unlock()
	h.server.Shutdown()
}

func (h *health) isReady() bool { return h.serves && !h.noStore && !h.stopping }

// whyNot tells a caller why nothing is served.
func (h *health) whyNot() string {
	why := h.unready()
	if why == nil {
		why = ErrNoFunction // it has just come
	}
	return why.Error() + "; the command was not carried out, try again"
}

// unready is nil when clients are served, and otherwise why they are not.
func (h *health) unready() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.stopping:
		return ErrStopping
	case h.noStore: // the user function is asked when the store is there
		return ErrNoStore
	case !h.serves:
		return ErrNoFunction
	}
	return nil
}
