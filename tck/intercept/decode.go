package intercept

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// The protocol's services, so that their messages are shown decoded.
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/crdt"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"

	// The TCK's model, so that the payloads inside are shown decoded too.
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	_ "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

// decode makes the record of one message: decoded if the method is the protocol's and the bytes are what it wants, raw otherwise.
func decode(method string, body []byte, up bool) trace.Message {
	m := trace.Message{Kind: trace.Data, Size: len(body)}
	if decoded := message(method, up); decoded != nil && proto.Unmarshal(body, decoded) == nil {
		m.Payload = decoded
	} else {
		m.Raw = body
	}
	return m
}

// message returns an empty message of the type that method takes (up) or gives; nil for a method that is not linked in.
func message(method string, up bool) proto.Message {
	name := strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil
	}
	descriptor, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return nil
	}
	wanted := descriptor.Output()
	if up {
		wanted = descriptor.Input()
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName(wanted.FullName())
	if err != nil {
		return nil
	}
	return kind.New().Interface()
}
