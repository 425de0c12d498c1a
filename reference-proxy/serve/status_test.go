package serve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/reference-proxy/discovery"
	"github.com/stateful-serverless/cloudstate/reference-proxy/route"
)

func TestStatusOf(t *testing.T) {
	stated := func(code int32) error {
		return &route.StatedFailure{Failure: &cloudstate.Failure{Description: "no", GrpcStatusCode: code}}
	}
	for _, c := range []struct {
		err  error
		code codes.Code
		text string
	}{
		{stated(0), codes.Unknown, "no"},
		{stated(1), codes.Canceled, "no"},
		{stated(9), codes.FailedPrecondition, "no"},
		{stated(16), codes.Unauthenticated, "no"},
		{stated(17), codes.Unknown, "no"},
		{stated(-1), codes.Unknown, "no"},
		{&route.Fault{Class: route.FaultProtocol, Text: "Entity terminated"}, codes.Unknown, "Entity terminated"},
		{&route.Fault{Class: route.FaultUnavailable, Text: "x"}, codes.Unavailable, "x"},
		{&route.Fault{Class: route.FaultTimeout, Text: "x"}, codes.DeadlineExceeded, "x"},
		{&route.Fault{Class: route.FaultStore, Text: "x"}, codes.Unknown, "x"},
		{&route.Fault{Class: route.FaultStoreUnavailable, Text: "x"}, codes.Unavailable, "x"},
		{&route.Fault{Class: route.FaultDamaged, Text: "x"}, codes.DataLoss, "x"},
		{&route.Fault{Class: route.FaultStoreFull, Text: "x"}, codes.ResourceExhausted, "x"},
		{&route.Fault{Class: route.FaultOverload, Text: "x"}, codes.ResourceExhausted, "x"},
		{&route.Fault{Class: route.FaultShutdown, Text: "x"}, codes.Unavailable, "x"},
		{&route.TargetError{Service: "S", Command: "C"}, codes.Internal, "Service [S] unknown"},
		{&route.TargetError{Service: "S", Command: "C", KnownService: true}, codes.Internal, "Service [S] does not have a command named: [C]"},
		{discovery.ErrEmptyKey, codes.InvalidArgument, discovery.ErrEmptyKey.Error()},
		{fmt.Errorf("field a: %w", discovery.ErrInvalidUTF8), codes.InvalidArgument, "field a: " + discovery.ErrInvalidUTF8.Error()},
		{discovery.ErrMalformed, codes.InvalidArgument, discovery.ErrMalformed.Error()},
		{route.ErrKeyTooLong, codes.InvalidArgument, route.ErrKeyTooLong.Error()},
		{route.ErrNoReply, codes.Internal, route.ErrNoReply.Error()},
		{route.ErrReplyType, codes.Internal, route.ErrReplyType.Error()},
		{route.ErrStreamedTarget, codes.Internal, route.ErrStreamedTarget.Error()},
		{route.ErrTooManyHops, codes.ResourceExhausted, route.ErrTooManyHops.Error()},
		{route.ErrBusy, codes.ResourceExhausted, route.ErrBusy.Error()},
		{context.DeadlineExceeded, codes.DeadlineExceeded, context.DeadlineExceeded.Error()},
		{context.Canceled, codes.Canceled, context.Canceled.Error()},
		{status.Error(codes.DataLoss, "the action's own"), codes.DataLoss, "the action's own"},
		{errors.New("anything else"), codes.Internal, "anything else"},
	} {
		got := status.Convert(statusOf(c.err))
		if got.Code() != c.code || got.Message() != c.text {
			t.Errorf("%v: %v %q, want %v %q", c.err, got.Code(), got.Message(), c.code, c.text)
		}
	}
}

// A status travels in a header: a text of any length and content must fit.
func TestLongTextsAreCut(t *testing.T) {
	got := status.Convert(statusOf(&route.StatedFailure{Failure: &cloudstate.Failure{Description: "x" + strings.Repeat("ä", 1<<20)}})).Message()
	if len(got) > 5<<10 || !strings.HasSuffix(got, "… (2097153 bytes in all)") {
		t.Errorf("%d bytes ending in %q", len(got), got[len(got)-40:])
	}
	if !utf8.ValidString(got) || !strings.HasPrefix(got, "xää") {
		t.Error("the text was cut inside a character")
	}
}
