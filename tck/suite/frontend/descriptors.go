package frontend

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// descriptorCases covers the descriptors in the answer to discover.
func descriptorCases() []suite.Case {
	return []suite.Case{
		specCase("descriptors", "the descriptor set contains every file that its files import, and is consistent", "DISC-05",
			func(t *suite.T, spec *cloudstate.EntitySpec) {
				set := descriptors(t, spec)
				have := make(map[string]bool)
				for _, file := range set.GetFile() {
					have[file.GetName()] = true
				}
				for _, file := range set.GetFile() {
					for _, imported := range file.GetDependency() {
						t.Require(have[imported], suite.Failure{
							Expected: fmt.Sprintf("the file %s in the set, because %s imports it", imported, file.GetName()), Got: "no such file",
							Remedy: "build the set with protoc --include_imports, or add the imports of each file",
						})
					}
				}
				registry(t, spec)
			}),
		specCase("service-names", "each entity's service_name is the full name of a service in the descriptor set", "DISC-26",
			func(t *suite.T, spec *cloudstate.EntitySpec) {
				files := registry(t, spec)
				for _, e := range spec.GetEntities() {
					serviceOf(t, files, e.GetServiceName())
				}
			}),
		specCase("entity-keys", "the key of an event sourced or value entity is one string field", "SERV-16", entityKeys),
		forwardCase("es", suite.EventSourced, esModel, "Process", esTwo, func(ctx context.Context, t *suite.T) *cloudstate.Forward {
			s := openES(ctx, t, dial(ctx, t), t.ID("es"))
			s.init()
			s.process(esForward("other"))
			out, err := s.Recv(ctx)
			t.Check(err, suite.Failure{Expected: "a forward"})
			return out.GetReply().GetClientAction().GetForward()
		}),
		forwardCase("ve", suite.ValueEntity, veModel, "Process", veTwo, func(ctx context.Context, t *suite.T) *cloudstate.Forward {
			v := openVE(ctx, t, dial(ctx, t), t.ID("ve"))
			v.init()
			v.process(veForward("other"))
			out, err := v.Recv(ctx)
			t.Check(err, suite.Failure{Expected: "a forward"})
			return out.GetReply().GetClientAction().GetForward()
		}),
		forwardCase("act", suite.Action, actModel, "ProcessUnary", actTwo, func(ctx context.Context, t *suite.T) *cloudstate.Forward {
			got, err := dial(ctx, t).HandleUnary(ctx, actCommand(actModel, "ProcessUnary", actRequest(group(actForward("other")))))
			t.Check(err, suite.Failure{Expected: "a forward"})
			return got.GetForward()
		}),
	}
}

// registry builds the descriptors of an answer, as a proxy must be able to.
func registry(t *suite.T, spec *cloudstate.EntitySpec) *protoregistry.Files {
	files, err := protodesc.NewFiles(descriptors(t, spec))
	if err != nil {
		t.Fail(suite.Failure{
			Requirement: "DISC-05", Expected: "a descriptor set that is complete and consistent", Got: err.Error(),
			Remedy: "build the set with protoc --include_imports",
		})
	}
	return files
}

func serviceOf(t *suite.T, files *protoregistry.Files, name string) protoreflect.ServiceDescriptor {
	d, err := files.FindDescriptorByName(protoreflect.FullName(name))
	service, ok := d.(protoreflect.ServiceDescriptor)
	if err != nil || !ok {
		t.Fail(suite.Failure{
			Requirement: "DISC-26", Expected: "a service " + name + " in the descriptor set", Got: "none",
			Remedy: "give the full name, package included, and the file that defines the service",
		})
	}
	return service
}

// The field options that make a field part of the entity key.
const (
	entityKeyOption       = 1080
	legacyEntityKeyOption = 50002
)

func entityKeys(t *suite.T, spec *cloudstate.EntitySpec) {
	files := registry(t, spec)
	for _, e := range spec.GetEntities() {
		if e.GetEntityType() != suite.EventSourced && e.GetEntityType() != suite.ValueEntity {
			continue
		}
		methods := serviceOf(t, files, e.GetServiceName()).Methods()
		for i := range methods.Len() {
			var keys []protoreflect.FieldDescriptor
			fields := methods.Get(i).Input().Fields()
			for j := range fields.Len() {
				if isKey(fields.Get(j)) {
					keys = append(keys, fields.Get(j))
				}
			}
			t.Require(len(keys) == 1 && keys[0].Kind() == protoreflect.StringKind && !keys[0].IsList(), suite.Failure{
				Expected: fmt.Sprintf("one string field of %s, the input of %s, to be the entity key", methods.Get(i).Input().FullName(), methods.Get(i).FullName()),
				Got:      fmt.Sprintf("%d key fields: %v", len(keys), keys),
				Remedy:   "annotate one string field with (cloudstate.entity_key) = true",
			})
		}
	}
}

// isKey reads the key options by number from the wire form, wherever the frontend's descriptors have them from.
func isKey(field protoreflect.FieldDescriptor) bool {
	raw, err := proto.Marshal(field.Options())
	if err != nil {
		return false
	}
	key := false
	for len(raw) > 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return false
		}
		raw = raw[n:]
		if (number == entityKeyOption || number == legacyEntityKeyOption) && kind == protowire.VarintType {
			value, _ := protowire.ConsumeVarint(raw)
			key = value != 0
		}
		if n = protowire.ConsumeFieldValue(number, kind, raw); n < 0 {
			return false
		}
		raw = raw[n:]
	}
	return key
}

// forwardCase is a case about where the model service of a kind forwards to: the output type of that command must be its own.
func forwardCase(area, entityType, service, method, target string, forward func(ctx context.Context, t *suite.T) *cloudstate.Forward) suite.Case {
	return suite.Case{
		ID: area + "/frontend/forward-type", Title: "a forward leads to a command with the same output type, and carries that command's input",
		Requirements: requires("FWD-03"), Kind: suite.Frontend, Needs: []string{entityType, service, target},
		Run: func(ctx context.Context, t *suite.T) {
			files := registry(t, discover(ctx, t, dial(ctx, t), mockproxy.Info(0, 2)))
			from := serviceOf(t, files, service).Methods().ByName(protoreflect.Name(method))
			got := forward(ctx, t)
			t.Require(got != nil, suite.Failure{Expected: "a forward, because the command asked for one", Got: "another answer"})
			to := serviceOf(t, files, got.GetServiceName()).Methods().ByName(protoreflect.Name(got.GetCommandName()))
			t.Require(from != nil && to != nil && to.Output().FullName() == from.Output().FullName(), suite.Failure{
				Expected: fmt.Sprintf("a forward to a command that answers as %s/%s does", service, method), Got: describe(got, nil),
				Remedy: "a client gets the forwarded command's answer, so it must be of the type that it waits for",
			})
			t.Require(got.GetPayload().GetTypeUrl() == "type.googleapis.com/"+string(to.Input().FullName()), suite.Failure{
				Expected: "a payload of the type " + string(to.Input().FullName()), Got: describe(got, nil),
			})
		},
	}
}
