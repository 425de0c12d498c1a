package proxy

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// method describes one rpc of a service that a case makes up.
type method struct {
	name    string
	key     bool // whether the input has a key field
	in, out bool // whether it streams
}

// definition is a file of services that a case makes up. Their messages have one string field: Keyed's is the key, Keyless's is not.
type definition struct {
	file  *descriptorpb.FileDescriptorProto
	keyed protoreflect.MessageDescriptor
}

// newDefinition returns a file without services, in a package of its own.
func newDefinition(name string) *definition {
	message := func(name string, options *descriptorpb.FieldOptions) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: proto.String(name), Field: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("id"), JsonName: proto.String("id"), Number: proto.Int32(1), Options: options,
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}}}
	}
	key := &descriptorpb.FieldOptions{}
	proto.SetExtension(key, cloudstate.E_EntityKey, true)
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("tck/made/" + name + ".proto"), Package: proto.String("tck.made." + name), Syntax: proto.String("proto3"),
		Dependency:  []string{cloudstate.File_cloudstate_entity_key_proto.Path()},
		MessageType: []*descriptorpb.DescriptorProto{message("Keyed", key), message("Keyless", nil)},
	}
	messages, err := protodesc.NewFile(file, linked{})
	if err != nil {
		panic("proxy: the kit made an invalid file: " + err.Error()) //nolint:forbidigo // constant but for names: it is valid, or the kit is broken
	}
	return &definition{file: file, keyed: messages.Messages().ByName("Keyed")}
}

// service adds a service and returns its full name.
func (d *definition) service(name string, methods ...method) string {
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String(name)}
	for _, m := range methods {
		input := "Keyless"
		if m.key {
			input = "Keyed"
		}
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
			Name: proto.String(m.name), InputType: proto.String(d.full(input)), OutputType: proto.String(d.full("Keyed")),
			ClientStreaming: proto.Bool(m.in), ServerStreaming: proto.Bool(m.out),
		})
	}
	d.file.Service = append(d.file.Service, service)
	return strings.TrimPrefix(d.full(name), ".")
}

func (d *definition) full(name string) string { return "." + d.file.GetPackage() + "." + name }

// spec is the discovery answer with these entities.
func (d *definition) spec(t *suite.T, entities ...*cloudstate.Entity) *cloudstate.EntitySpec {
	files := append(mockfunction.Closure(cloudstate.File_cloudstate_entity_key_proto), d.file)
	spec, err := mockfunction.NewSpecOf(files, entities...)
	if err != nil {
		t.KitFault(err)
	}
	return spec
}

// request is a Keyed with this id.
func (d *definition) request(id string) proto.Message {
	m := dynamicpb.NewMessage(d.keyed)
	if id != "" {
		m.Set(d.keyed.Fields().ByNumber(1), protoreflect.ValueOfString(id))
	}
	return m
}

// pack is request as a payload.
func (d *definition) pack(id string) *anypb.Any { return pack(d.request(id)) }

// linked resolves the one import of a definition.
type linked struct{ protodesc.Resolver }

func (linked) FindFileByPath(string) (protoreflect.FileDescriptor, error) {
	return cloudstate.File_cloudstate_entity_key_proto, nil
}

// declare is an entity of kind k.
func declare(k *kind, service, persistenceID string) *cloudstate.Entity {
	return mockfunction.Entity(k.entityType, service, persistenceID)
}

// replyWith is a reply with this payload.
func replyWith(payload *anypb.Any) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: payload}}}
}

// hasty makes discovery be tried again soon, by proxies that know the settings; others just take longer.
var hasty = []string{"CLOUDSTATE_DISCOVERY_BACKOFF_MIN=20ms", "CLOUDSTATE_DISCOVERY_BACKOFF_MAX=100ms"}

func definitionCases(k *kind) []suite.Case {
	refused := func(name, title string, requirements []string, run func(ctx context.Context, t *suite.T)) suite.Case {
		return suite.Case{
			ID: k.area + "/proxy/" + name, Title: title, Requirements: requirements, Kind: suite.Proxy, Needs: []string{k.entityType}, OwnTarget: true,
			Timeout: longTimeout, Run: run,
		}
	}
	return []suite.Case{
		refused("refuses-streams", "an entity with a method that streams, in either direction, is refused with a report that names it",
			k.both("ES-01", "VE-01"), func(ctx context.Context, t *suite.T) {
				text := k.byKind("Event sourced entities do not support streamed methods", "Value based entities do not support streamed methods")
				refusesMethods(ctx, t, k, k.byKind("ES-01", "VE-01"), text,
					method{name: "ManyIn", key: true, in: true}, method{name: "ManyOut", key: true, out: true}, method{name: "ManyBoth", key: true, in: true, out: true})
			}),
		refused("refuses-keyless", "an entity with a method whose input has no key field is refused with a report that names it",
			k.both("ES-02", "VE-02"), func(ctx context.Context, t *suite.T) {
				refusesMethods(ctx, t, k, k.byKind("ES-02", "VE-02"), "", method{name: "WithoutKey"})
			}),
	}
}

// refusesMethods serves an entity for each of the methods, beside one that can be served, and waits for a report that contains text and names it.
func refusesMethods(ctx context.Context, t *suite.T, k *kind, rule, text string, methods ...method) {
	var f *mockfunction.Function
	for n, m := range methods {
		d := newDefinition(k.area)
		service := d.service("Refused", method{name: "Call", key: true}, m)
		spec := d.spec(t, declare(k, service, "refused"))
		if n == 0 {
			config := suite.ModelFunction()
			config.Spec = spec
			f = t.Serve(config)
			t.Check(t.Proxy().Launch(ctx, hasty...), suite.Failure{Requirement: rule, Expected: "the proxy to start"})
		} else {
			f.SetSpec(spec)
		}
		reports(newScene(ctx, t, f), rule, text, service, m.name)
	}
}

// reports waits for a report that contains all parts.
func reports(s *scene, rule string, parts ...string) {
	for {
		report, err := s.function.NextReport(s.ctx)
		s.t.Check(err, suite.Failure{
			Requirement: rule,
			Expected:    "a reportError call whose message contains " + strings.Join(quoted(parts), ", "),
			Remedy:      "report what is wrong, and where, to the user function",
		})
		if containsAll(report, parts) {
			return
		}
	}
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

func quoted(parts []string) []string {
	var out []string
	for _, part := range parts {
		if part != "" {
			out = append(out, `"`+part+`"`)
		}
	}
	return out
}
