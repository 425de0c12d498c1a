package archive

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// maxLine bounds a line: the largest write there is in base64, and an id of which every
// byte is escaped, with room for the names around them.
var maxLine = base64.StdEncoding.EncodedLen(journal.MaxWriteBytes+8) + 6*journal.MaxIDBytes + 4<<10

// Reader reads a stream and checks all of it: each line's sum before it is given out, the
// order of the lines, the end. It is for one goroutine.
type Reader struct {
	from   *bufio.Reader
	buffer []byte
	chain  chain
	line   int
	counts Counts
	done   bool

	entity   *Entity // whose lines come now
	last     uint64  // its last event
	snapshot uint64  // that its snapshot is of
	has      stage   // the last kind of line that it had
}

// stage orders the lines of an entity.
type stage int

const (
	stageNone stage = iota
	stageEvent
	stageSnapshot
	stageValue
)

// NewReader reads from a stream. The first Next gives its header.
func NewReader(from io.Reader) *Reader {
	return &Reader{from: bufio.NewReaderSize(from, 64<<10), chain: newChain()}
}

// Next returns what the next line says, which belongs to the caller. Behind the end, which
// is an item like others, it returns io.EOF. Other errors of the stream are *LineError.
func (r *Reader) Next() (Item, error) {
	text, err := r.readLine()
	if err != nil {
		return Item{}, err
	}
	it, err := r.parse(text)
	if err != nil {
		return Item{}, &LineError{r.line, err}
	}
	return it, nil
}

// readLine returns the next line without its end.
func (r *Reader) readLine() ([]byte, error) {
	r.buffer = r.buffer[:0]
	for {
		part, err := r.from.ReadSlice('\n')
		r.buffer = append(r.buffer, part...)
		switch {
		case err == nil:
			r.line++
			if r.done {
				return nil, &LineError{r.line, fmt.Errorf("%w: something follows the end", ErrDamaged)}
			}
			return r.buffer[:len(r.buffer)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
			if r.line == 0 {
				return nil, &LineError{1, fmt.Errorf(`%w: its first line is not {"cloudstate-export": …}`, ErrFormat)}
			}
			if len(r.buffer) > maxLine {
				return nil, &LineError{r.line + 1, fmt.Errorf("%w: a line of more than %d bytes", ErrDamaged, maxLine)}
			}
		case errors.Is(err, io.EOF) && r.done && len(r.buffer) == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF):
			return nil, r.cut()
		default:
			return nil, fmt.Errorf("archive: reading behind line %d: %w", r.line, err)
		}
	}
}

// cut is the error for a stream that ended too early.
func (r *Reader) cut() error {
	switch {
	case r.done:
		return &LineError{r.line + 1, fmt.Errorf("%w: something follows the end", ErrDamaged)}
	case r.line == 0 && len(r.buffer) == 0:
		return &LineError{1, fmt.Errorf("%w: it is empty", ErrFormat)}
	case r.line == 0:
		return &LineError{1, fmt.Errorf("%w: its first line has no end", ErrFormat)}
	case len(r.buffer) > 0:
		return &LineError{r.line + 1, fmt.Errorf("%w: in the middle of this line", ErrCut)}
	}
	return &LineError{r.line, fmt.Errorf("%w: this is its last line, and not an end", ErrCut)}
}

func (r *Reader) parse(text []byte) (Item, error) {
	if r.line == 1 {
		if err := checkVersion(text); err != nil {
			return Item{}, err
		}
	}
	whole := r.chain.whole()
	if err := r.checkSum(text); err != nil {
		return Item{}, err
	}
	var l struct {
		line
		Sum string `json:"sum"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Item{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if d.InputOffset() != int64(len(text)) {
		return Item{}, fmt.Errorf("%w: something follows the object", ErrDamaged)
	}
	it, err := l.item()
	if err != nil {
		return Item{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := r.check(it); err != nil {
		return Item{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if l.End != nil {
		if l.End.SHA256 != whole {
			return Item{}, fmt.Errorf("%w: the sum of all lines is %s, the end says %q", ErrDamaged, whole, l.End.SHA256)
		}
		if counted := r.counts; l.End.Entities != counted.Entities || l.End.Events != counted.Events ||
			l.End.Snapshots != counted.Snapshots || l.End.Values != counted.Values {
			return Item{}, fmt.Errorf("%w: it has %v, the end says %v", ErrDamaged, counted, l.End.Counts)
		}
		r.counts.Damaged = l.End.Damaged
		r.done = true
	}
	return it, nil
}

// checkVersion looks at the first line as far as all versions have it alike.
func checkVersion(text []byte) error {
	var first struct {
		Header *struct {
			Version int `json:"version"`
		} `json:"cloudstate-export"`
	}
	if err := json.Unmarshal(text, &first); err != nil || first.Header == nil || first.Header.Version < 1 {
		return fmt.Errorf(`%w: its first line is not {"cloudstate-export": …}`, ErrFormat)
	}
	if first.Header.Version > Version {
		return fmt.Errorf("%w: it is of version %d, this program reads up to %d; use the newer version that wrote it", ErrFormat, first.Header.Version, Version)
	}
	return nil
}

func (r *Reader) checkSum(text []byte) error {
	at := len(text) - sumWhole
	if at < 1 || !bytes.HasPrefix(text[at:], []byte(sumKey)) || !bytes.HasSuffix(text, []byte(sumEnd)) {
		return fmt.Errorf("%w: the line does not end with its sum", ErrDamaged)
	}
	stored := text[at+len(sumKey) : len(text)-len(sumEnd)]
	if sum := r.chain.add(text[:at]); sum != string(stored) {
		return fmt.Errorf("%w: the sum up to here is %s, the line says %q: this line was changed, or one before it is missing", ErrDamaged, sum, stored)
	}
	return nil
}

// item is the inverse of Item.line.
func (l line) item() (it Item, err error) {
	set := 0
	if l.Header != nil {
		it.Header = l.Header
		set++
	}
	if e := l.Entity; e != nil {
		it.Entity = &Entity{Pruned: e.Pruned}
		if it.Entity.ID.Namespace, err = journal.UnescapeID(e.PersistenceID); err != nil {
			return it, err
		}
		if it.Entity.ID.Key, err = journal.UnescapeID(e.EntityID); err != nil {
			return it, err
		}
		set++
	}
	if e := l.Event; e != nil {
		it.Event = &journal.Record{Seq: e.Seq, Entry: journal.Entry{Payload: e.Payload, Note: e.Note}}
		set++
	}
	if s := l.Snapshot; s != nil {
		it.Snapshot = &journal.Snapshot{Seq: s.Seq, Payload: s.Payload}
		set++
	}
	if v := l.Value; v != nil {
		it.Value = &journal.Entry{Payload: v.Payload, Note: v.Note}
		set++
	}
	if l.End != nil {
		it.End = &l.End.Counts
		set++
	}
	if set != 1 {
		return it, fmt.Errorf("a line says %d things, want one", set)
	}
	return it, nil
}

// check holds a line against those before it.
func (r *Reader) check(it Item) error {
	if (it.Header != nil) != (r.line == 1) {
		return errors.New("a header in the middle, or none at the beginning")
	}
	if it.Entity != nil || it.End != nil {
		if err := r.entityEnds(); err != nil {
			return err
		}
	}
	if r.entity == nil && (it.Event != nil || it.Snapshot != nil || it.Value != nil) {
		return errors.New("it belongs to no entity")
	}
	var next stage
	switch {
	case it.Entity != nil:
		if err := journal.CheckWrite(it.Entity.ID, it.Entity.Pruned); err != nil {
			return err
		}
		r.entity, r.last, r.snapshot, r.has = it.Entity, it.Entity.Pruned, 0, stageNone
		r.counts.Entities++
		return nil
	case it.Event != nil:
		next = stageEvent
		if it.Event.Seq != r.last+1 {
			return fmt.Errorf("event %d of %s follows event %d", it.Event.Seq, r.entity.ID, r.last)
		}
		r.last++
		r.counts.Events++
		if err := journal.CheckWrite(r.entity.ID, r.last, it.Event.Entry); err != nil {
			return err
		}
	case it.Snapshot != nil:
		next = stageSnapshot
		if it.Snapshot.Seq < max(1, r.entity.Pruned) || it.Snapshot.Seq > r.last || r.has >= next {
			return fmt.Errorf("a snapshot of event %d of %s, which has the events %d to %d", it.Snapshot.Seq, r.entity.ID, r.entity.Pruned+1, r.last)
		}
		r.snapshot = it.Snapshot.Seq
		r.counts.Snapshots++
		if err := journal.CheckSnapshot(r.entity.ID, *it.Snapshot); err != nil {
			return err
		}
	case it.Value != nil:
		next = stageValue
		if r.has >= next {
			return fmt.Errorf("a second value of %s", r.entity.ID)
		}
		r.counts.Values++
		if err := journal.CheckWrite(r.entity.ID, 0, *it.Value); err != nil {
			return err
		}
	default:
		return nil
	}
	if next < r.has {
		return fmt.Errorf("the lines of %s are out of order: events, snapshot, value is the order", r.entity.ID)
	}
	r.has = next
	return nil
}

// entityEnds checks the entity whose last line was the one before.
func (r *Reader) entityEnds() error {
	switch e := r.entity; {
	case e == nil:
		return nil
	case e.Pruned > 0 && r.snapshot == 0:
		return fmt.Errorf("the events of %s up to %d are not there, and no snapshot stands for them", e.ID, e.Pruned)
	case r.has == stageNone:
		return fmt.Errorf("%s has nothing", e.ID)
	}
	return nil
}
