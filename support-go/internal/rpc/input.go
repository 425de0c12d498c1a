package rpc

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/stateful-serverless/cloudstate/support-go/payload"
)

// Input reads the request of a command. A caller decides on these bytes, which the proxy passes on unread: what cannot
// be read is the caller's error, INVALID_ARGUMENT, and no reason to end a stream.
func Input[In proto.Message](request *anypb.Any) (In, error) {
	input, err := payload.Decode[In](request)
	if err != nil {
		return input, status.Errorf(codes.InvalidArgument, "request: %v", err)
	}
	return input, nil
}
