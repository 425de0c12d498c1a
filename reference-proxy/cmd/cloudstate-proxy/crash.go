package main

import (
	"log/slog"
	"strings"

	"google.golang.org/grpc"

	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/crashing"
)

// crashAt is where the process is to end itself; nil for nowhere, as ever but in tests.
func crashAt(cfg *config.Config, log *slog.Logger) *crashing.Trigger {
	point, n, ok := cfg.CrashPoint.At()
	if !ok {
		return nil
	}
	log.Warn("this process will end itself, as a test has asked it to with --crash-point (CLOUDSTATE_CRASH_POINT)", "point", point, "time", n)
	return crashing.NewTrigger(crashing.Point(point), n)
}

// crashStore puts the points around the store's writes.
func crashStore(store journal.Store, t *crashing.Trigger) journal.Store {
	if t == nil {
		return store
	}
	return crashing.New(store, t)
}

// crashAround puts the points around clients' replies; nil without a trigger. Our own services have none.
func crashAround(t *crashing.Trigger) grpc.StreamServerInterceptor {
	if t == nil {
		return nil
	}
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if strings.HasPrefix(info.FullMethod, "/grpc.") {
			return handler(srv, stream)
		}
		return handler(srv, crashingStream{stream, t})
	}
}

// crashingStream passes the points around each reply.
type crashingStream struct {
	grpc.ServerStream
	trigger *crashing.Trigger
}

// SendMsg implements grpc.ServerStream.
func (s crashingStream) SendMsg(m any) error {
	s.trigger.Pass(crashing.BeforeReply)
	err := s.ServerStream.SendMsg(m)
	if err == nil {
		s.trigger.Pass(crashing.AfterReply)
	}
	return err
}
