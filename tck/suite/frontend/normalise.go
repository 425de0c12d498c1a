package frontend

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// Normalise returns a copy of an answer without what the specification leaves to the library: metadata, the status code of a
// failure, and the choice among equal encodings of a message inside an Any.
func Normalise[M proto.Message](m M) M {
	out := proto.CloneOf(m)
	normaliseMessage(out.ProtoReflect())
	return out
}

func normaliseMessage(m protoreflect.Message) {
	switch v := m.Interface().(type) {
	case *cloudstate.Reply:
		v.Metadata = nil
	case *cloudstate.Forward:
		v.Metadata = nil
	case *cloudstate.SideEffect:
		v.Metadata = nil
	case *cloudstate.Failure:
		v.GrpcStatusCode = 0
	case *anypb.Any:
		if inner, err := v.UnmarshalNew(); err == nil {
			if raw, err := (proto.MarshalOptions{Deterministic: true}).Marshal(inner); err == nil {
				v.Value = raw
			}
		}
		return
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil || fd.IsMap():
		case fd.IsList():
			for i := range v.List().Len() {
				normaliseMessage(v.List().Get(i).Message())
			}
		default:
			normaliseMessage(v.Message())
		}
		return true
	})
}
