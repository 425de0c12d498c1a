package tracefile

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
)

// Limits bound what is taken from a file; what is 0 is the default's.
type Limits struct {
	// Line is the longest line, in bytes.
	Line int
	// Messages is how many messages a file may have.
	Messages int
	// Bytes is how long the whole file may be.
	Bytes int64
}

// DefaultLimits leave room for messages of 12 MiB (LIM-01) in any form, and for a long conversation.
var DefaultLimits = Limits{Line: 32 << 20, Messages: 200_000, Bytes: 256 << 20}

// Reader reads a trace file line by line. It is not safe for concurrent use.
type Reader struct {
	lines    *bufio.Reader
	name     string
	limits   Limits
	header   Header
	types    *Types
	at       int // number of the line read last
	messages int
	bytes    int64
}

// NewReader reads the header. Errors begin with name and the line's number.
func NewReader(from io.Reader, name string, limits Limits) (*Reader, error) {
	if limits.Line == 0 {
		limits.Line = DefaultLimits.Line
	}
	if limits.Messages == 0 {
		limits.Messages = DefaultLimits.Messages
	}
	if limits.Bytes == 0 {
		limits.Bytes = DefaultLimits.Bytes
	}
	r := &Reader{lines: bufio.NewReader(from), name: name, limits: limits, types: NewTypes()}
	text, err := r.next()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: the file is empty; a trace begins with a header", name)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &r.header); err != nil || r.header.Version == "" {
		return nil, r.failed(errors.New(`this is no trace: its first line is not {"cloudstate_trace": "1.0", …}`))
	}
	if major, _, _ := strings.Cut(r.header.Version, "."); major != "1" {
		return nil, r.failed(fmt.Errorf("the trace has format %s, which this program (format %s) cannot read: take the one that made it", r.header.Version, Version))
	}
	return r, nil
}

// Header returns the file's header.
func (r *Reader) Header() Header { return r.header }

// Types returns the types that are known after what has been read.
func (r *Reader) Types() *Types { return r.types }

// Next returns the next message, or io.EOF after the last one.
func (r *Reader) Next() (trace.Message, error) {
	text, err := r.next()
	if err != nil {
		return trace.Message{}, err
	}
	if r.messages++; r.messages > r.limits.Messages {
		return trace.Message{}, r.failed(fmt.Errorf("more than %d messages", r.limits.Messages))
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return trace.Message{}, r.failed(err)
	}
	m, err := r.types.decode(l, r.header.Began)
	if err != nil {
		return trace.Message{}, r.failed(err)
	}
	if spec, ok := m.Payload.(*cloudstate.EntitySpec); ok {
		r.types.Learn(spec)
	}
	return m, nil
}

// next returns the next line without its end; io.EOF when there is none.
func (r *Reader) next() ([]byte, error) {
	r.at++
	var text []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		text = append(text, part...)
		r.bytes += int64(len(part))
		switch {
		case len(text) > r.limits.Line:
			return nil, r.failed(fmt.Errorf("the line is longer than %d bytes", r.limits.Line))
		case r.bytes > r.limits.Bytes:
			return nil, r.failed(fmt.Errorf("the file is longer than %d bytes", r.limits.Bytes))
		case err == nil:
			return text[:len(text)-1], nil
		case errors.Is(err, io.EOF) && len(text) == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF):
			return nil, r.failed(fmt.Errorf("the line is cut off: %w", io.ErrUnexpectedEOF))
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, r.failed(err)
		}
	}
}

func (r *Reader) failed(err error) error { return fmt.Errorf("%s:%d: %w", r.name, r.at, err) }

// Trace is a whole file.
type Trace struct {
	Header   Header
	Messages []trace.Message
	// Types are those that the file's payloads are decoded with.
	Types *Types
}

// Read reads a whole file.
func Read(from io.Reader, name string, limits Limits) (*Trace, error) {
	r, err := NewReader(from, name, limits)
	if err != nil {
		return nil, err
	}
	t := &Trace{Header: r.Header(), Types: r.Types()}
	for {
		m, err := r.Next()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		t.Messages = append(t.Messages, m)
	}
}

// Open reads the file at path, within [DefaultLimits].
func Open(path string) (*Trace, error) {
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return Read(file, path, DefaultLimits)
}
