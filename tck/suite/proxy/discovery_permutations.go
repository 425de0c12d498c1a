package proxy

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/fixtures/descriptors"
	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// permutationCases judge the canonical permutations of service descriptors: a valid one is served, each of its sample requests under the
// right entity id; any other is refused, with a report that names what is wrong.
func permutationCases() []suite.Case {
	var cases []suite.Case
	for _, p := range descriptors.All() {
		c := suite.Case{
			ID:           "disc/proxy/descriptors/" + p.Name,
			Title:        p.About,
			Requirements: inForce(p.Requirements),
			Kind:         suite.Proxy,
			Needs:        entityTypes(p.Entities),
			OwnTarget:    true,
		}
		if p.Valid {
			c.Run = func(ctx context.Context, t *suite.T) { serves(ctx, t, p) }
		} else {
			c.Run = func(ctx context.Context, t *suite.T) { refuses(ctx, t, p.Spec(), p.Problem) }
		}
		cases = append(cases, c)
	}
	return cases
}

// inForce leaves out the ids of CRDT rules, which SPEC.md keeps for later; that every entity is checked (DISC-33) holds for CRDTs already.
func inForce(ids []string) []string {
	kept := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return strings.HasPrefix(id, "CRDT-") })
	if len(kept) == 0 {
		return requires("DISC-33")
	}
	return kept
}

// entityTypes are the known types among the entities, each once: what a proxy must serve to be judged by them.
func entityTypes(entities []*cloudstate.Entity) []string {
	var types []string
	for _, e := range entities {
		known := slices.Contains([]string{suite.EventSourced, suite.ValueEntity, suite.Action, suite.CRDT}, e.GetEntityType())
		if known && !slices.Contains(types, e.GetEntityType()) {
			types = append(types, e.GetEntityType())
		}
	}
	return types
}

// refuses requires that the proxy reports the answer with each of texts, refuses clients and stays alive.
func refuses(ctx context.Context, t *suite.T, spec *cloudstate.EntitySpec, texts ...string) {
	config := suite.ModelFunction()
	config.Spec = spec
	s := newScene(ctx, t, t.Serve(config))
	t.Check(t.Proxy().Launch(s.ctx), suite.Failure{Expected: "the proxy's process to start"})
	report, err := s.function.NextReport(s.ctx)
	t.Check(err, suite.Failure{
		Expected: fmt.Sprintf("the answer to discover to be refused and reported through reportError, with %q in the report", texts),
		Remedy:   "check the whole answer before any of it is served, and tell the user function what is wrong and where",
	})
	for _, text := range texts {
		t.Require(strings.Contains(strings.ToLower(report), strings.ToLower(text)), suite.Failure{
			Expected: fmt.Sprintf("a report that contains %q", text),
			Got:      report,
			Remedy:   "name what is wrong, where, in the words of the user function's own descriptors",
		})
	}
	select {
	case <-t.Proxy().Exited():
		t.Fail(suite.Failure{
			Requirement: "DISC-21",
			Expected:    "the proxy to stay alive and ask again",
			Got:         "its process ended; it last said: " + strings.Join(t.Proxy().Logs(5), " | "),
		})
	default:
	}
}

// recording answers every stream of an entity and tells which ids the proxy opened streams for, and with what payloads.
type recording struct{ opened chan opened }

type opened struct {
	service, id string
	payload     []byte
	typeURL     string
}

func (r recording) eventSourced(init *eventsourced.EventSourcedInit) mockfunction.EventSourcedInstance {
	return esRecording{r, init}
}

func (r recording) valueEntity(init *valueentity.ValueEntityInit) mockfunction.ValueEntityInstance {
	return veRecording{r, init}
}

type esRecording struct {
	recording
	init *eventsourced.EventSourcedInit
}

func (esRecording) Event(*eventsourced.EventSourcedEvent) {}

func (r esRecording) Command(c *cloudstate.Command) *eventsourced.EventSourcedReply {
	r.opened <- opened{r.init.GetServiceName(), r.init.GetEntityId(), c.GetPayload().GetValue(), c.GetPayload().GetTypeUrl()}
	return &eventsourced.EventSourcedReply{CommandId: c.GetId(), ClientAction: stated("recorded")}
}

type veRecording struct {
	recording
	init *valueentity.ValueEntityInit
}

func (r veRecording) Command(c *cloudstate.Command) *valueentity.ValueEntityReply {
	r.opened <- opened{r.init.GetServiceName(), r.init.GetEntityId(), c.GetPayload().GetValue(), c.GetPayload().GetTypeUrl()}
	return &valueentity.ValueEntityReply{CommandId: c.GetId(), ClientAction: stated("recorded")}
}

// stated is a failure, which fits every method whatever its output type.
func stated(description string) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Failure{Failure: &cloudstate.Failure{Description: description}}}
}

// serves requires that the proxy accepts the answer and hands each sample to the entity that it names.
func serves(ctx context.Context, t *suite.T, p descriptors.Permutation) {
	r := recording{make(chan opened, 1)}
	config := suite.ModelFunction()
	config.Spec, config.EventSourced, config.ValueEntity = p.Spec(), r.eventSourced, r.valueEntity
	s := own(ctx, t, config)
	for i, sample := range p.Samples {
		path := "/" + sample.Service + "/" + sample.Method
		_, _, err := t.Client().UnaryBytes(s.ctx, path, sample.Message, nil)
		if sample.Key == "" {
			t.Require(status.Code(err) == codes.InvalidArgument, suite.Failure{
				Expected: fmt.Sprintf("INVALID_ARGUMENT to sample %d of %s: its key is empty or cannot be read", i+1, path),
				Got:      fmt.Sprint(err),
			})
			continue
		}
		t.Status(err, codes.Unknown, "recorded", suite.Failure{
			Remedy: fmt.Sprintf("sample %d of %s, request %x: hand it to entity %q", i+1, path, sample.Message, sample.Key),
		})
		got := <-r.opened
		t.Require(got.service == sample.Service && got.id == sample.Key, suite.Failure{
			Expected: fmt.Sprintf("the request %x of %s to go to entity id %q", sample.Message, path, sample.Key),
			Got:      fmt.Sprintf("entity id %q of %s", got.id, got.service),
			Remedy:   "read the key as SERV-13 to SERV-15 and SERV-42 to SERV-54 say",
		})
		t.Require(bytes.Equal(got.payload, sample.Message), suite.Failure{
			Requirement: "SERV-07",
			Expected:    fmt.Sprintf("the request's bytes unchanged: %x", sample.Message),
			Got:         fmt.Sprintf("%x", got.payload),
		})
	}
}

// modelSpecWith is a copy of spec with a change made.
func modelSpecWith(spec *cloudstate.EntitySpec, change func(*cloudstate.EntitySpec)) *cloudstate.EntitySpec {
	c := proto.CloneOf(spec)
	change(c)
	return c
}
