package serve

import (
	"context"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// health tells clients, by grpc.health.v1, whether they are served (OPS-15 to OPS-17).
type health struct {
	server *grpchealth.Server

	mu       sync.Mutex
	names    []string
	isReady  bool
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
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
		h.server.SetServingStatus(n, healthpb.HealthCheckResponse_SERVING)
	}
	for _, n := range h.names {
		if !known[n] {
			h.server.SetServingStatus(n, healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
		}
	}
	h.names = names
	h.server.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	h.isReady = true
}

func (h *health) notServing() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.isReady = false
	h.server.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	for _, n := range h.names {
		h.server.SetServingStatus(n, healthpb.HealthCheckResponse_NOT_SERVING)
	}
}

// shutdown is for good: what was serving no longer is.
func (h *health) shutdown() {
	h.mu.Lock()
	h.stopping = true
	h.isReady = false
	h.mu.Unlock()
	h.server.Shutdown()
}

func (h *health) ready() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.isReady
}
