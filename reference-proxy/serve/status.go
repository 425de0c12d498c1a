package serve

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/reference-proxy/discovery"
	"github.com/stateful-serverless/cloudstate/reference-proxy/route"
)

// statusOf is where every failure gets its gRPC status; nowhere else is one chosen.
func statusOf(err error) error {
	var fault *route.Fault
	var stated *route.StatedFailure
	var target *route.TargetError
	switch {
	case errors.As(err, &stated):
		return status.Error(statedCode(stated.Failure.GetGrpcStatusCode()), valid(stated.Failure.GetDescription()))
	case errors.As(err, &fault):
		return status.Error(faultCodes[fault.Class], valid(fault.Text))
	case errors.As(err, &target):
		return status.Error(codes.Internal, valid(target.Error())) // FWD-08
	}
	for _, c := range sentinels {
		if errors.Is(err, c.err) {
			return status.Error(c.code, valid(err.Error()))
		}
	}
	// What is left is the user function's own status (ACT-25).
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	return status.Error(codes.Internal, valid(err.Error()))
}

// statedCode is the code of a failure that the user function stated (SERV-33 to SERV-35).
func statedCode(code int32) codes.Code {
	if code < 1 || code > 16 {
		return codes.Unknown
	}
	return codes.Code(code)
}

var faultCodes = [...]codes.Code{
	route.FaultProtocol:         codes.Unknown,            // ES-37 to ES-41
	route.FaultUnavailable:      codes.Unavailable,        // SERV-36, ES-58
	route.FaultTimeout:          codes.DeadlineExceeded,   // LIM-06
	route.FaultStore:            codes.Unknown,            // ES-42, ES-61
	route.FaultDamaged:          codes.DataLoss,           // SERV-56
	route.FaultStoreUnavailable: codes.Unavailable,        // SERV-55
	route.FaultStoreFull:        codes.ResourceExhausted,  // SERV-37
	route.FaultOverload:         codes.ResourceExhausted,  // LIM-12, SERV-37
	route.FaultShutdown:         codes.Unavailable,        // OPS-12
	route.FaultKeyReused:        codes.FailedPrecondition, // IDEM-05
	route.FaultAnswerLost:       codes.AlreadyExists,      // IDEM-10
}

var sentinels = []struct {
	err  error
	code codes.Code
}{
	{discovery.ErrMalformed, codes.InvalidArgument},    // SERV-41
	{discovery.ErrEmptyKey, codes.InvalidArgument},     // SERV-49
	{discovery.ErrInvalidUTF8, codes.InvalidArgument},  // SERV-50
	{route.ErrKeyTooLong, codes.InvalidArgument},       // LIM-18
	{route.ErrNoReply, codes.Internal},                 // SERV-31
	{route.ErrReplyType, codes.Internal},               // SERV-09
	{route.ErrStreamedTarget, codes.Internal},          // FWD-21
	{route.ErrTooManyHops, codes.ResourceExhausted},    // FWD-19
	{route.ErrBusy, codes.ResourceExhausted},           // LIM-10
	{context.DeadlineExceeded, codes.DeadlineExceeded}, // SERV-38
	{context.Canceled, codes.Canceled},
}

// valid bounds a text that a user function chose: a status travels in a header, and
// clients refuse headers over 8 to 16 KiB.
func valid(text string) string {
	const most = 4 << 10
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes in all)", strings.ToValidUTF8(text[:most], ""), len(text))
}
