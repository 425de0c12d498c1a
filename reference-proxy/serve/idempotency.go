package serve

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/reference-proxy/route"
)

// idempotencyHeader is where a client says that it may send the same command again.
const idempotencyHeader = "idempotency-key"

// idempotencyKey is the key that a call brought, "" for none, or a status that says what is
// wrong with it (IDEM-02).
func idempotencyKey(md metadata.MD) (string, error) {
	values, sent := md[idempotencyHeader]
	if !sent {
		return "", nil
	}
	if len(values) != 1 {
		return "", status.Errorf(codes.InvalidArgument, "the header %s came %d times; send it once", idempotencyHeader, len(values))
	}
	key := values[0]
	if key == "" || len(key) > route.MaxIdempotencyKeyBytes {
		return "", status.Errorf(codes.InvalidArgument, "the header %s has %d characters; it may have 1 to %d",
			idempotencyHeader, len(key), route.MaxIdempotencyKeyBytes)
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return "", status.Errorf(codes.InvalidArgument, "the header %s has the byte 0x%02x at %d; it may have visible ASCII characters (0x21 to 0x7e) only",
				idempotencyHeader, key[i], i)
		}
	}
	return key, nil
}
