package tracefile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

// Writer writes a trace file, a whole line with each message: a recording that is cut off lacks its end and nothing else. It is not safe for
// concurrent use; as a recorder's follower it need not be.
type Writer struct {
	to    io.Writer
	began time.Time
	types *Types
}

// NewWriter writes the header; its version is set here.
func NewWriter(to io.Writer, header Header) (*Writer, error) {
	header.Version = Version
	header.Began = header.Began.UTC()
	w := &Writer{to: to, began: header.Began, types: NewTypes()}
	return w, w.line(header)
}

// Write writes one message. Texts that are no UTF-8 (a status message or a header from a careless peer) lose the bytes that are none.
func (w *Writer) Write(m trace.Message) error {
	encoded, err := w.types.encode(m, w.began)
	if err != nil {
		return fmt.Errorf("trace, message %d: %w", m.Seq, err)
	}
	if spec, ok := m.Payload.(*cloudstate.EntitySpec); ok && m.Kind == trace.Data {
		w.types.Learn(spec)
	}
	return w.line(encoded)
}

func (w *Writer) line(v any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	if _, err := w.to.Write(b.Bytes()); err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	return nil
}

// Format returns a whole file with these messages.
func Format(header Header, messages []trace.Message) (string, error) {
	var b strings.Builder
	w, err := NewWriter(&b, header)
	if err != nil {
		return "", err
	}
	for _, m := range messages {
		if err := w.Write(m); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}
