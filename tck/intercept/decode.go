package intercept

import (
	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
)

// types are the protocol's; nothing is learnt, so any number of calls may share them.
var types = tracefile.NewTypes()

// decode makes the record of one message: decoded if the method is the protocol's and the bytes are what it wants, raw otherwise.
func decode(method string, body []byte, up bool) trace.Message {
	m := trace.Message{Kind: trace.Data, Size: len(body)}
	if decoded := types.NewMessage(method, !up); decoded != nil && proto.Unmarshal(body, decoded) == nil {
		m.Payload = decoded
	} else {
		m.Raw = body
	}
	return m
}
