package serve

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// IDEM-02: what a key may be, and that the refusal says what is wrong with it.
func TestIdempotencyKey(t *testing.T) {
	for _, c := range []struct {
		values []string
		says   string // "" for a good one
	}{
		{[]string{"k"}, ""},
		{[]string{`"8e03978e-40d5-43e8-bc93-6894a57f9324"`}, ""},
		{[]string{strings.Repeat("~!", 64)}, ""},
		{[]string{""}, "has 0 characters"},
		{[]string{strings.Repeat("k", 129)}, "has 129 characters; it may have 1 to 128"},
		{[]string{"a b"}, "0x20 at 1"},
		{[]string{"a\x7f"}, "0x7f at 1"},
		{[]string{"ä"}, "0xc3 at 0"},
		{[]string{"a", "a"}, "came 2 times"},
		{[]string{}, "came 0 times"},
	} {
		got, err := idempotencyKey(metadata.MD{"idempotency-key": c.values})
		switch {
		case c.says == "" && (err != nil || got != c.values[0]):
			t.Errorf("%q: %q, %v", c.values, got, err)
		case c.says != "" && (status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "idempotency-key")):
			t.Errorf("%q: %v, want INVALID_ARGUMENT that says %q", c.values, err, c.says)
		}
	}
	if got, err := idempotencyKey(metadata.MD{"other": {"x"}}); got != "" || err != nil {
		t.Errorf("without the header: %q, %v", got, err)
	}
}
