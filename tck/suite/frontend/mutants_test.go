package frontend

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// mutant is a frontend with one fault, and the cases that must find it, each with the requirement that it must name.
type mutant struct {
	name   string
	mutate func(cfg *mockfunction.Config)
	caught map[string]string
}

// spec changes the answer to discover.
func spec(change func(*cloudstate.EntitySpec)) func(*mockfunction.Config) {
	return func(cfg *mockfunction.Config) {
		cfg.Spec = proto.CloneOf(cfg.Spec)
		change(cfg.Spec)
	}
}

func discoveryMutants() []mutant {
	var asked atomic.Int64
	return []mutant{
		{"legacy version", spec(func(s *cloudstate.EntitySpec) { s.ServiceInfo = nil }),
			map[string]string{"disc/frontend/protocol-version": "DISC-06", "disc/frontend/service-info": "DISC-07"}},
		{"no imports", spec(func(s *cloudstate.EntitySpec) {
			file := mockfunction.Closure(esmodel.File_cloudstate_tck_model_eventsourced_proto)
			s.Proto = mustSpec(file[len(file)-1:]).Proto
		}), map[string]string{"disc/frontend/descriptors": "DISC-05"}},
		{"two keys", spec(func(s *cloudstate.EntitySpec) {
			files := mockfunction.Closure(esmodel.File_cloudstate_tck_model_eventsourced_proto, vemodel.File_cloudstate_tck_model_valueentity_proto,
				actionmodel.File_cloudstate_tck_model_action_proto)
			for _, file := range files {
				for _, m := range file.GetMessageType() {
					if m.GetName() == "Request" && len(m.GetField()) > 1 {
						m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{
							Name: proto.String("second"), Number: proto.Int32(3), Options: m.GetField()[0].GetOptions(),
							Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
						})
					}
				}
			}
			s.Proto = mustSpec(files).Proto
		}), map[string]string{"disc/frontend/entity-keys": "SERV-16"}},
		{"descriptors are garbage", spec(func(s *cloudstate.EntitySpec) { s.Proto = []byte{0xff} }),
			map[string]string{"disc/frontend/descriptors": "DISC-05"}},
		{"simple service name", spec(func(s *cloudstate.EntitySpec) { s.Entities[0].ServiceName = "EventSourcedTckModel" }),
			map[string]string{"disc/frontend/service-names": "DISC-26"}},
		{"service twice", spec(func(s *cloudstate.EntitySpec) { s.Entities = append(s.Entities, s.Entities[0]) }),
			map[string]string{"disc/frontend/one-entity-per-service": "DISC-36"}},
		{"no entities", spec(func(s *cloudstate.EntitySpec) { s.Entities = nil }),
			map[string]string{"disc/frontend/one-entity-per-service": "DISC-36"}},
		{"empty persistence id", spec(func(s *cloudstate.EntitySpec) { s.Entities[0].PersistenceId = "" }),
			map[string]string{"disc/frontend/persistence-ids": "DISC-28"}},
		{"one persistence id for all", spec(func(s *cloudstate.EntitySpec) {
			for _, e := range s.Entities {
				e.PersistenceId = "entity"
			}
		}), map[string]string{"disc/frontend/persistence-ids": "DISC-28", "act/frontend/no-persistence": "ACT-26"}},
		{"wrong passivation", spec(func(s *cloudstate.EntitySpec) {
			for _, e := range s.Entities {
				e.PassivationStrategy = nil
			}
		}), map[string]string{"es/frontend/discovery-configured": "DISC-29", "ve/frontend/discovery-configured": "DISC-29"}},
		{"another answer each time", func(cfg *mockfunction.Config) {
			cfg.Discover = func(context.Context, *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
				s := proto.CloneOf(model.Spec())
				s.Entities = s.Entities[asked.Add(1)%2:]
				return s, nil
			}
		}, map[string]string{"disc/frontend/again": "DISC-59"}},
		{"discovery once", func(cfg *mockfunction.Config) {
			var asked atomic.Int64
			cfg.Discover = func(context.Context, *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
				if asked.Add(1) > 1 {
					return nil, status.Error(codes.FailedPrecondition, "already discovered")
				}
				return model.Spec(), nil
			}
		}, map[string]string{"disc/frontend/again": "DISC-59"}},
		{"only supported types", func(cfg *mockfunction.Config) {
			cfg.Discover = func(_ context.Context, info *cloudstate.ProxyInfo) (*cloudstate.EntitySpec, error) {
				s := proto.CloneOf(model.Spec())
				s.Entities = slices.DeleteFunc(s.Entities, func(e *cloudstate.Entity) bool {
					return !slices.Contains(info.GetSupportedEntityTypes(), e.GetEntityType())
				})
				return s, nil
			}
		}, map[string]string{"disc/frontend/unsupported-types": "DISC-27"}},
		{"reportError fails", func(cfg *mockfunction.Config) {
			cfg.ReportError = func(context.Context, string) error { return errors.New("cannot log") }
		}, map[string]string{"disc/frontend/report-error": "DISC-20"}},
		{"model of another type", spec(func(s *cloudstate.EntitySpec) { s.Entities[0].EntityType = suite.ValueEntity }),
			map[string]string{"es/frontend/discovery-model": "DISC-26"}},
	}
}

func otherMutants() []mutant {
	var n atomic.Int32
	return []mutant{
		{"small messages only", func(cfg *mockfunction.Config) { cfg.MaxMessageSize = 1 << 20 }, map[string]string{
			"lim/frontend/es-large-message": "LIM-20", "lim/frontend/ve-large-message": "LIM-20", "lim/frontend/act-large-message": "LIM-20",
		}},
		{"other bytes each time", each(func(r *action.ActionResponse) {
			if r.GetReply() != nil {
				r.GetReply().Payload = &anypb.Any{
					TypeUrl: r.GetReply().GetPayload().GetTypeUrl(),
					Value:   append(r.GetReply().GetPayload().GetValue(), 0x98, 0x06, byte(n.Add(1)%100)),
				}
			}
		}), map[string]string{"ser/frontend/act-messages": "SER-05"}},
	}
}

func mustSpec(files []*descriptorpb.FileDescriptorProto) *cloudstate.EntitySpec {
	s, err := mockfunction.NewSpecOf(files)
	if err != nil {
		panic(err)
	}
	return s
}
