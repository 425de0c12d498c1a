package discovery

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// checker turns the entities of an answer into services.
type checker struct {
	opt    Options
	legacy bool
	files  *fileSet // nil when they could not be read
	found  *findings
	keys   map[messageName]*KeyExtractor // extractors by input message, nil for a faulty one: rpcs share messages
}

type messageName = protoreflect.FullName

// services checks every entity and returns those to serve, sorted by name.
func (c *checker) services(entities []*cloudstate.Entity) []*Service {
	var services []*Service
	listed := make(map[string]int)
	for _, e := range entities {
		name := e.GetServiceName()
		if listed[name]++; listed[name] > 1 {
			if listed[name] == 2 {
				c.found.problem("DISC-53", "List each service once, with one entity type.", "Service %s is listed more than once.", shown(name))
			}
			continue
		}
		if s := c.service(e); s != nil {
			services = append(services, s)
		}
	}
	slices.SortFunc(services, func(a, b *Service) int { return strings.Compare(a.Name, b.Name) })
	c.checkPersistenceIDs(services)
	if len(services) == 0 && len(entities) > 0 && !c.found.bad() {
		c.found.problem("DISC-14", "Report at least one entity of a kind that this proxy serves: "+c.served()+".",
			"None of the %d entities is of a kind that this proxy serves.", len(entities))
	}
	return services
}

// service checks one entity. It returns nil for one that is not served, whether that is a problem or was only warned about.
func (c *checker) service(e *cloudstate.Entity) *Service {
	name := e.GetServiceName()
	if slices.Contains(c.opt.Reserved, name) {
		c.found.problem("DISC-33", "Leave the service out: the proxy provides it.", "Service %s is one that the proxy serves itself.", shown(name))
		return nil
	}
	kind, ok := c.kind(e)
	sd := c.descriptor(name)
	if !ok || sd == nil {
		return nil
	}
	s := &Service{
		Name:               name,
		Kind:               kind,
		PersistenceID:      persistenceID(e, kind),
		PassivationTimeout: passivationTimeout(e),
	}
	for i := range sd.Methods().Len() {
		s.Methods = append(s.Methods, c.method(s, sd.Methods().Get(i)))
	}
	return s
}

// kind finds the entity's kind and whether it is to be served (DISC-14, DISC-15, DISC-38, DISC-39).
func (c *checker) kind(e *cloudstate.Entity) (Kind, bool) {
	kind, known := KindOf(e.GetEntityType())
	var p Problem
	switch {
	case !known || !c.opt.serves(kind):
		p = Problem{
			Code:   "DISC-14",
			Text:   fmt.Sprintf("Service %s has the entity type %q, which is not supported; supported are %s.", shown(e.GetServiceName()), shown(e.GetEntityType()), c.served()),
			Remedy: "Use one of the supported types, or a proxy that serves this one.",
		}
		if c.opt.StoreHint != "" && (kind == EventSourced || kind == ValueEntity) {
			p.Code, p.Remedy = "DISC-15", c.opt.StoreHint
		}
	case c.legacy && kind != EventSourced:
		p = Problem{
			Code: "DISC-38",
			Text: fmt.Sprintf("Service %s has the entity type %q, but its support library is from before protocol %d.%d, of which only event sourced entities can be served.",
				shown(e.GetServiceName()), kind, ProtocolMajor, ProtocolMinor),
			Remedy: fmt.Sprintf("Renew the support library: use one that speaks protocol %d.%d.", ProtocolMajor, ProtocolMinor),
		}
	default:
		return kind, true
	}
	if c.opt.SkipUnsupported {
		c.found.warn("%s It is left out.", p.Text)
	} else {
		c.found.problem(p.Code, p.Remedy, "%s", p.Text)
	}
	return kind, false
}

// served lists the entity types that the proxy serves.
func (c *checker) served() string {
	names := make([]string, len(c.opt.Served))
	for i, kind := range c.opt.Served {
		names[i] = kind.String()
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// descriptor finds a service among the descriptors (DISC-13). What is wrong with the files themselves was reported already.
func (c *checker) descriptor(name string) protoreflect.ServiceDescriptor {
	if c.files == nil || c.files.broken[name] {
		return nil
	}
	d, err := c.files.registry.FindDescriptorByName(protoreflect.FullName(name))
	if sd, ok := d.(protoreflect.ServiceDescriptor); err == nil && ok {
		return sd
	}
	c.found.problem("DISC-13", "Set Entity.service_name to the package and name of a service, and include its file in EntitySpec.proto.",
		"Service [%s] not found in descriptors!", shown(name))
	return nil
}

// method checks one rpc against the rules of its service's kind (ES-01, ES-02, VE-01, VE-02, CRDT-01, CRDT-02).
func (c *checker) method(s *Service, md protoreflect.MethodDescriptor) *Method {
	m := &Method{
		Service:         s,
		Name:            string(md.Name()),
		Path:            "/" + s.Name + "/" + string(md.Name()),
		Input:           md.Input(),
		Output:          md.Output(),
		ClientStreaming: md.IsStreamingClient(),
		ServerStreaming: md.IsStreamingServer(),
		InputTypeURL:    "type.googleapis.com/" + string(md.Input().FullName()),
		OutputTypeURL:   "type.googleapis.com/" + string(md.Output().FullName()),
	}
	name := string(md.FullName())
	switch {
	case s.Kind == EventSourced && (m.ClientStreaming || m.ServerStreaming):
		c.found.problem("ES-01", "Take \"stream\" away from the rpc, or serve it as an action.",
			"Event sourced entities do not support streamed methods, but rpc %s streams its %s.", shown(name), streamed(m))
	case s.Kind == ValueEntity && (m.ClientStreaming || m.ServerStreaming):
		c.found.problem("VE-01", "Take \"stream\" away from the rpc, or serve it as an action.",
			"Value based entities do not support streamed methods, but rpc %s streams its %s.", shown(name), streamed(m))
	case s.Kind == CRDT && m.ClientStreaming:
		c.found.problem("CRDT-01", "Take \"stream\" away from the rpc's input, or serve it as an action.",
			"CRDT entities do not support methods with streamed input, but rpc %s streams its %s.", shown(name), streamed(m))
	}
	if s.Kind != Action {
		m.Key = c.key(name, md.Input())
	}
	if hasOption(md.Options(), optionEventing) {
		c.found.warn("Rpc %s asks for eventing (option %d), which this proxy does not offer: it is served to clients only.", shown(name), optionEventing)
	}
	return m
}

func streamed(m *Method) string {
	switch {
	case m.ClientStreaming && m.ServerStreaming:
		return "input and output"
	case m.ClientStreaming:
		return "input"
	default:
		return "output"
	}
}

// key returns the extractor for an input message; a faulty message is reported under the first rpc that uses it.
func (c *checker) key(method string, md protoreflect.MessageDescriptor) *KeyExtractor {
	k, done := c.keys[md.FullName()]
	if !done {
		k = newKeyExtractor(method, md, c.found)
		c.keys[md.FullName()] = k
	}
	return k
}

// persistenceID applies the kinds' rules for an entity that gives none (DISC-54, DISC-55).
func persistenceID(e *cloudstate.Entity, kind Kind) string {
	switch {
	case kind == Action:
		return ""
	case kind == CRDT && e.GetPersistenceId() == "":
		return e.GetServiceName()
	default:
		return e.GetPersistenceId()
	}
}

// checkPersistenceIDs refuses ids under which state would be lost or mixed up (DISC-51, DISC-52).
func (c *checker) checkPersistenceIDs(services []*Service) {
	owner := make(map[string]*Service)
	for _, s := range services {
		if s.Kind != EventSourced && s.Kind != ValueEntity {
			continue
		}
		other := owner[s.PersistenceID]
		switch {
		case s.PersistenceID == "":
			c.found.problem("DISC-51", "Set Entity.persistence_id; it names the entity's state in the store and must never change.",
				"Service %s has an empty persistence id.", shown(s.Name))
		case other != nil:
			c.found.problem("DISC-52", "Give each entity a persistence id of its own where it is declared; libraries that set one by default give every entity the same.",
				"Services %s and %s both have the persistence id %q.", shown(other.Name), shown(s.Name), shown(s.PersistenceID))
		default:
			owner[s.PersistenceID] = s
		}
	}
}

// passivationTimeout is the entity's time-out, 0 for the proxy's default (DISC-30, DISC-56).
func passivationTimeout(e *cloudstate.Entity) time.Duration {
	ms := e.GetPassivationStrategy().GetTimeout().GetTimeout()
	if ms <= 0 {
		return 0
	}
	return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}
