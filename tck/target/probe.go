package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// maxSpec bounds a discovery answer, descriptor set included, in bytes.
const maxSpec = 64 << 20

// Discover asks the user function at address for its EntitySpec, as a proxy would.
func Discover(ctx context.Context, address string, info *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableServiceConfig())
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", address, err)
	}
	defer conn.Close()
	spec, err := cloudstate.NewEntityDiscoveryClient(conn).Discover(ctx, info, grpc.MaxCallRecvMsgSize(maxSpec))
	if err != nil {
		return nil, fmt.Errorf("discover at %s: %w", address, err)
	}
	return spec, nil
}

// Accepting is a probe that succeeds when address accepts connections.
func Accepting(address string) Probe {
	return func(ctx context.Context) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// Serving is a probe of a proxy's public port. It succeeds when the proxy's health service says SERVING (OPS-15), and, so that a proxy without
// that service is judged too, when its port accepts connections and the service is unknown there.
func Serving(address string) Probe {
	return func(ctx context.Context) error {
		conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableServiceConfig())
		if err != nil {
			return fmt.Errorf("dialling %s: %w", address, err)
		}
		defer conn.Close()
		health, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
		switch {
		case status.Code(err) == codes.Unimplemented:
			return nil
		case err != nil:
			return fmt.Errorf("health of %s: %w", address, err)
		case health.GetStatus() != healthpb.HealthCheckResponse_SERVING:
			return fmt.Errorf("health of %s: %s", address, health.GetStatus())
		}
		return nil
	}
}

// ErrUndiscovered is why a proxy is not ready that has not called discover.
var ErrUndiscovered = errors.New("the proxy has not called discover on the user function that it was given")
