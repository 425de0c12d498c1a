package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

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

// ErrUndiscovered is why a proxy is not ready that has not called discover.
var ErrUndiscovered = errors.New("the proxy has not called discover on the user function that it was given")
