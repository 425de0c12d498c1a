package journal_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

func TestEscapeID(t *testing.T) {
	for part, want := range map[string]string{
		"": "", "cart-1": "cart-1", "a b": "a b", "ä𝄞": "ä𝄞", "100%": "100%25", "a\x00b": "a%00b", "\xff": "%FF", "\n": "%0A",
		"\u00a0": "%C2%A0", "\ufffd": "\ufffd", "%41": "%2541",
	} {
		if got := journal.EscapeID(part); got != want {
			t.Errorf("%q is written %q, want %q", part, got, want)
		}
	}
	for _, bad := range []string{"%", "%4", "%4g", "a%+1", "%-1x"} {
		if _, err := journal.UnescapeID(bad); !errors.Is(err, journal.ErrInvalid) {
			t.Errorf("%q is read: %v", bad, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		part := string(rapid.SliceOf(rapid.Byte()).Draw(t, "part"))
		text := journal.EscapeID(part)
		if got, err := journal.UnescapeID(text); err != nil || got != part {
			t.Fatalf("%q is written %q and read %q, %v", part, text, got, err)
		}
	})
}
