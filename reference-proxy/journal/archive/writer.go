package archive

import (
	"fmt"
	"io"
	"time"
)

// Writer writes a stream. It is for one goroutine. Nothing but Close makes it whole.
type Writer struct {
	to     io.Writer
	chain  chain
	counts Counts
}

// NewWriter begins a stream that the program named by writes at the time now.
func NewWriter(to io.Writer, by string, now time.Time) (*Writer, error) {
	w := &Writer{to: to, chain: newChain()}
	header := Item{Header: &Header{Version: Version, Created: now.UTC().Truncate(time.Second), By: by}}
	return w, w.item(header)
}

func (w *Writer) item(it Item) error {
	text, err := it.line().text()
	if err != nil {
		return err
	}
	return w.text(text)
}

// text writes a line with its sum.
func (w *Writer) text(text []byte) error {
	body := text[:len(text)-1]
	sum := w.chain.add(body)
	for _, part := range [][]byte{body, []byte(sumKey + sum + sumEnd + "\n")} {
		if _, err := w.to.Write(part); err != nil {
			return fmt.Errorf("archive: writing: %w", err)
		}
	}
	return nil
}

// add writes the lines of one entity.
func (w *Writer) add(s *spool) error {
	if err := s.each(w.text); err != nil {
		return err
	}
	w.counts.Entities++
	w.counts.Events += s.counts.Events
	w.counts.Snapshots += s.counts.Snapshots
	w.counts.Values += s.counts.Values
	return nil
}

// Close writes the end. It does not close what is written to.
func (w *Writer) Close() error {
	text, err := line{End: &endLine{w.counts, w.chain.whole()}}.text()
	if err != nil {
		return err
	}
	return w.text(text)
}
