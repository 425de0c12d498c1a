package cloudstate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// ErrAddress says that the address from HOST and PORT cannot be used.
var ErrAddress = errors.New("cannot listen on HOST and PORT")

// Run serves services with a [Server] of default settings until the process is told to stop.
func Run(ctx context.Context, services ...Service) error {
	return (&Server{Services: services}).Run(ctx)
}

// Run listens on the environment's HOST (default 127.0.0.1) and PORT (default 8080, SPEC DISC-31) and serves until ctx
// ends or the process gets SIGTERM or SIGINT; a second signal ends the process at once. It returns nil after an orderly
// stop, otherwise an [ErrDefinition], an [ErrAddress] or the gRPC server's error.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Check(); err != nil {
		return err
	}
	address, err := addressFromEnv()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%w: %w: set HOST and PORT to a free address of this machine", ErrAddress, err)
	}
	ctx, restore := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer restore()
	context.AfterFunc(ctx, restore)
	return s.Serve(ctx, listener)
}

func addressFromEnv() (string, error) {
	port := cmp.Or(os.Getenv("PORT"), "8080")
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%w: PORT is %q: use a number from 1 to 65535, or 0 for any free port", ErrAddress, port)
	}
	return net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "127.0.0.1"), port), nil
}

// Serve is [Server.Run] on a listener of the caller's, which it closes, and without regard to signals.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	if err := s.Check(); err != nil {
		return errors.Join(err, listener.Close())
	}
	settings := s.settings()
	server, healthServer, err := s.build(settings)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	settings.Logger.Info("user function is listening",
		"address", listener.Addr().String(), "name", s.name(), "services", len(s.Services))

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	settings.Logger.Info("user function stops")
	healthServer.Shutdown()
	stop(server, cmp.Or(s.Grace, DefaultGrace))
	// A server that was stopped before it had begun says so: that is an orderly stop as well.
	if err := <-failed; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	}
	return nil
}

// stop lets the proxy finish what it has open, and cuts what is left after grace: entity streams live as long as the
// proxy wants them to.
func stop(server *grpc.Server, grace time.Duration) {
	finished := make(chan struct{})
	go func() {
		server.GracefulStop()
		close(finished)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-finished:
	case <-timer.C:
		server.Stop()
		<-finished
	}
}

// build makes the gRPC server with all that a proxy calls: discovery, the kinds in use and health.
func (s *Server) build(settings Settings) (*grpc.Server, *health.Server, error) {
	answer, err := s.entitySpec()
	if err != nil {
		return nil, nil, err
	}
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(settings.MaxMessageSize),
		grpc.MaxSendMsgSize(settings.MaxMessageSize),
		// A proxy may ask whether an idle connection still lives; gRPC's default would cut it off for that.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Second, PermitWithoutStream: true}),
	}
	server := grpc.NewServer(append(options, s.GRPC...)...)
	protocol.RegisterEntityDiscoveryServer(server, &discovery{answer: answer, log: settings.Logger})
	order, groups := s.kinds()
	healthServer := health.NewServer()
	for _, kind := range order {
		kind.Register(server, groups[kind], settings)
		healthServer.SetServingStatus(kind.EntityType, healthpb.HealthCheckResponse_SERVING)
	}
	healthpb.RegisterHealthServer(server, healthServer)
	return server, healthServer, nil
}
