package journal

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// EscapeID writes a part of an EntityID, which may have any bytes, as one line of text: what
// is printable stays as it is, and every byte of anything else, and of %, becomes % and two
// hexadecimal digits. It is the notation of command lines, lists and exports.
func EscapeID(part string) string {
	var b strings.Builder
	for len(part) > 0 {
		r, size := utf8.DecodeRuneInString(part)
		if r != '%' && unicode.IsPrint(r) && (r != utf8.RuneError || size > 1) {
			b.WriteString(part[:size])
		} else {
			for i := range size {
				fmt.Fprintf(&b, "%%%02X", part[i])
			}
		}
		part = part[size:]
	}
	return b.String()
}

// UnescapeID is the inverse of EscapeID. It also takes escapes of bytes that need none. The
// error is ErrInvalid.
func UnescapeID(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		digits := text[i+1 : min(i+3, len(text))]
		n, err := strconv.ParseUint(digits, 16, 8)
		if err != nil || len(digits) != 2 {
			return "", fmt.Errorf("%w: %q has %q, where %% and two hexadecimal digits are due; %% itself is written %%25", ErrInvalid, text, "%"+digits)
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), nil
}
