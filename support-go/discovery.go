package cloudstate

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// The version of the protocol that this library speaks (SPEC DISC-06).
const (
	ProtocolMajorVersion = 0
	ProtocolMinorVersion = 2
)

const libraryModule = "github.com/stateful-serverless/cloudstate"

// discovery answers the proxy's questions about the user function. The answer is made once: it cannot change.
type discovery struct {
	protocol.UnimplementedEntityDiscoveryServer
	answer *protocol.EntitySpec
	log    *slog.Logger
}

// Discover tells the proxy what there is to serve. Entities of a kind that the proxy does not support are told as well:
// the proxy can say best what is missing (SPEC DISC-27).
func (d *discovery) Discover(_ context.Context, proxy *protocol.ProxyInfo) (*protocol.EntitySpec, error) {
	d.log.Info("discovered by a proxy", "name", proxy.GetProxyName(), "version", proxy.GetProxyVersion(),
		"protocol", fmt.Sprintf("%d.%d", proxy.GetProtocolMajorVersion(), proxy.GetProtocolMinorVersion()))
	for _, entity := range d.answer.GetEntities() {
		if !slices.Contains(proxy.GetSupportedEntityTypes(), entity.GetEntityType()) {
			d.log.Warn("the proxy does not support this kind of entity",
				"service", entity.GetServiceName(), "type", entity.GetEntityType())
		}
	}
	return d.answer, nil
}

// ReportError logs what the proxy found wrong with this user function (SPEC DISC-20).
func (d *discovery) ReportError(_ context.Context, report *protocol.UserFunctionError) (*emptypb.Empty, error) {
	d.log.Error("the proxy reports an error in this user function", "message", report.GetMessage())
	return &emptypb.Empty{}, nil
}

// entitySpec builds the discovery answer (SPEC DISC-05 to DISC-07, DISC-26).
func (s *Server) entitySpec() (*protocol.EntitySpec, error) {
	files, err := fileSet(s.Services)
	if err != nil {
		return nil, err
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(files)
	if err != nil {
		return nil, fmt.Errorf("encode the descriptors of the services: %w", err)
	}
	program, library := versions()
	spec := &protocol.EntitySpec{
		Proto: encoded,
		ServiceInfo: &protocol.ServiceInfo{
			ServiceName:           s.name(),
			ServiceVersion:        cmp.Or(s.Version, program),
			ServiceRuntime:        runtime.Version(),
			SupportLibraryName:    "cloudstate-go",
			SupportLibraryVersion: library,
			ProtocolMajorVersion:  ProtocolMajorVersion,
			ProtocolMinorVersion:  ProtocolMinorVersion,
		},
	}
	for _, service := range s.Services {
		spec.Entities = append(spec.Entities, service.Entity())
	}
	return spec, nil
}

// versions reads the program's and this library's version from the build.
func versions() (program, library string) {
	program, library = "unknown", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return program, library
	}
	program = cmp.Or(info.Main.Version, program)
	for _, module := range append(info.Deps, &info.Main) {
		if module.Path == libraryModule {
			library = cmp.Or(module.Version, library)
		}
	}
	return program, library
}
