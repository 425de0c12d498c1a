package cloudstate

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
)

const (
	// DefaultMaxMessageSize is the limit for one message either way when a server sets none: 12 MiB, the size that a
	// proxy accepts by default (SPEC LIM-01).
	DefaultMaxMessageSize = 12 << 20
	// DefaultGrace is how long an orderly stop waits for calls and streams when a server sets nothing else.
	DefaultGrace = 10 * time.Second
)

// ErrDefinition says that a user function is not fit to be served. The errors joined to it name the service and rpc.
var ErrDefinition = errors.New("user function is not fit to be served")

// Server serves a user function to a proxy. Only Services must be set; the other fields have useful zero values. A
// server is used once, and its fields are not changed after that.
type Server struct {
	// Services are what the user function consists of; at least one.
	Services []Service
	// Name and Version are told to the proxy for its log (SPEC DISC-07). Default: the program's name, its module's version.
	Name, Version string
	// MaxMessageSize is the limit in bytes for one message either way. A larger one from the proxy ends that call or
	// stream with RESOURCE_EXHAUSTED, a larger answer becomes a failure of its command. Default: DefaultMaxMessageSize.
	MaxMessageSize int
	// Grace is how long a stop waits for the proxy to end its calls and streams before they are cut (SPEC OPS-11).
	// Default: DefaultGrace.
	Grace time.Duration
	// Logger gets what the server has to tell. Default: slog.Default().
	Logger *slog.Logger
	// GRPC are further options of the gRPC server: credentials, interceptors, limits on streams.
	GRPC []grpc.ServerOption
}

// Check returns what is wrong with the user function, nil when it can be served: an [ErrDefinition] that joins every
// mistake found. Run and Serve call it first; a unit test may call it as well.
func (s *Server) Check() error {
	var errs []error
	if len(s.Services) == 0 {
		errs = append(errs, errors.New("no services: set Server.Services"))
	}
	if s.MaxMessageSize < 0 {
		errs = append(errs, fmt.Errorf("MaxMessageSize is %d: use a number of bytes, or 0 for the default", s.MaxMessageSize))
	}
	if s.Grace < 0 {
		errs = append(errs, fmt.Errorf("grace is %v: use a positive time, or 0 for the default", s.Grace))
	}
	names := make(map[string]bool)
	ids := make(map[string]string)
	for i, service := range s.Services {
		if service == nil {
			errs = append(errs, fmt.Errorf("service number %d is nil", i+1))
			continue
		}
		name := service.Name()
		if err := service.Check(); err != nil {
			errs = append(errs, fmt.Errorf("service %s: %w", name, err))
			continue
		}
		if names[name] {
			errs = append(errs, fmt.Errorf("service %s is given twice", name))
			continue
		}
		names[name] = true
		// The store tells entities of different services apart by this id alone (SPEC DISC-28).
		if id := service.Entity().GetPersistenceId(); id != "" {
			if other, taken := ids[id]; taken {
				errs = append(errs, fmt.Errorf("services %s and %s share the persistence id %q: give each its own", other, name, id))
			}
			ids[id] = name
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w:\n%w", ErrDefinition, errors.Join(errs...))
	}
	return nil
}

func (s *Server) settings() Settings {
	settings := Settings{Logger: s.Logger, MaxMessageSize: s.MaxMessageSize}
	if settings.Logger == nil {
		settings.Logger = slog.Default()
	}
	if settings.MaxMessageSize == 0 {
		settings.MaxMessageSize = DefaultMaxMessageSize
	}
	return settings
}

// kinds groups the services by kind, in the order in which the kinds first occur.
func (s *Server) kinds() ([]*Kind, map[*Kind][]Service) {
	var order []*Kind
	groups := make(map[*Kind][]Service)
	for _, service := range s.Services {
		kind := service.Kind()
		if groups[kind] == nil {
			order = append(order, kind)
		}
		groups[kind] = append(groups[kind], service)
	}
	return order, groups
}

func (s *Server) name() string {
	if s.Name != "" {
		return s.Name
	}
	return filepath.Base(os.Args[0])
}
