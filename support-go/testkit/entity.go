package testkit

import (
	"google.golang.org/protobuf/proto"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

// entity is what a kit knows of the one entity it stands in front of, whatever its kind.
type entity struct {
	*function
	id       string
	commands int64 // sent to the instance that lives
}

func loadEntity(t T, service cloudstate.Service, id, constructor string) entity {
	t.Helper()
	f := load(t, service, constructor)
	if id == "" {
		t.Fatalf("testkit.%s: the entity id is empty: give the key that the test's commands carry", constructor)
	}
	return entity{function: f, id: id}
}

// command makes the next command. One that a proxy would send to another entity ends the test.
func (e *entity) command(name string, message proto.Message, metadata cloudstate.Metadata) *protocol.Command {
	e.t.Helper()
	method := e.method(name)
	encoded := e.request(method, message)
	if id, fields := entityID(message); id != e.id {
		e.t.Fatalf("testkit: %s is for entity %q by its %s, and this kit has entity %q: a kit is for one entity",
			method.Name(), id, fields, e.id)
	}
	e.commands++
	return &protocol.Command{
		EntityId: e.id, Id: e.commands, Name: string(method.Name()), Payload: encoded, Metadata: metadata.Proto(),
	}
}
