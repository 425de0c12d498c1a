package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// spoolMemory is how much of an entity is kept in memory before the rest goes to a file.
const spoolMemory = 1 << 20

// spool holds the lines of one entity until it is known that they belong together: when
// events are pruned while they are read, all is read anew.
type spool struct {
	memory bytes.Buffer
	file   *os.File // what did not fit; nil if all did
	out    *bufio.Writer
	counts Counts
}

func (s *spool) add(it Item) error {
	text, err := it.line().text()
	if err != nil {
		return err
	}
	switch {
	case it.Event != nil:
		s.counts.Events++
	case it.Snapshot != nil:
		s.counts.Snapshots++
	case it.Value != nil:
		s.counts.Values++
	}
	text = append(text, '\n')
	if s.file == nil && s.memory.Len()+len(text) <= spoolMemory {
		_, err := s.memory.Write(text)
		return err
	}
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "cloudstate-export-*"); err != nil {
			return fmt.Errorf("archive: an entity too large for memory is kept in a file meanwhile: %w; name a directory with room in TMPDIR", err)
		}
		s.out = bufio.NewWriter(s.file)
	}
	if _, err := s.out.Write(text); err != nil {
		return fmt.Errorf("archive: an entity too large for memory is kept in a file meanwhile: %w; name a directory with room in TMPDIR", err)
	}
	return nil
}

// each calls do with each line, without its end.
func (s *spool) each(do func([]byte) error) error {
	var from io.Reader = bytes.NewReader(s.memory.Bytes())
	if s.file != nil {
		if err := s.out.Flush(); err != nil {
			return fmt.Errorf("archive: the file for a large entity: %w", err)
		}
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			return fmt.Errorf("archive: the file for a large entity: %w", err)
		}
		from = io.MultiReader(from, s.file)
	}
	lines := bufio.NewReader(from)
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("archive: the file for a large entity: %w", err)
		}
		if err := do(text[:len(text)-1]); err != nil {
			return err
		}
	}
}

// clear forgets everything.
func (s *spool) clear() {
	s.memory.Reset()
	s.counts = Counts{}
	if s.file != nil {
		_ = s.file.Close() // it is thrown away
		_ = os.Remove(s.file.Name())
		s.file, s.out = nil, nil
	}
}
