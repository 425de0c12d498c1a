package pebble

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// numbered returns the number of a snapshot, a value or a prune mark, 0 if the row is not
// there, and copies what follows it to where payload points, if anywhere.
func (s *Store) numbered(id journal.EntityID, key []byte, payload *[]byte) (number uint64, err error) {
	row, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, s.trouble(id, err)
	}
	defer closer.Close()
	number, shared, err := openNumbered(key, row)
	if err != nil {
		return 0, s.damage(id, err, "%s", kind(key[0]))
	}
	if payload != nil {
		*payload = bytes.Clone(shared)
	}
	return number, nil
}

// GetValue implements journal.Values.
func (s *Store) GetValue(ctx context.Context, id journal.EntityID) (v journal.Value, err error) {
	err = s.read(ctx, id, func() error {
		var rest []byte
		number, err := s.numbered(id, entityKey(kindValue, id), &rest)
		if err != nil || number == 0 {
			return err
		}
		e, err := valueEntry(number, rest)
		if err != nil {
			return s.damage(id, err, "%s", kindValue)
		}
		v = journal.Value{Version: number &^ notedValue, Entry: e, Found: true}
		return nil
	})
	return v, err
}

// PutValue implements journal.Values.
func (s *Store) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (version uint64, err error) {
	if err := journal.CheckWrite(id, expected, e); err != nil {
		return 0, err
	}
	key := entityKey(kindValue, id)
	err = s.write(ctx, write{
		fence: f, id: id, size: rowOverhead + len(key) + e.Size(), wait: s.durable,
		build: func(_ *stripe, b *pebble.Batch) error {
			if err := s.expectVersion(id, key, expected); err != nil {
				return err
			}
			if len(e.Note) == 0 {
				return setRow(b, key, numberOf(expected+1), e.Payload)
			}
			body := notedBody(e)
			return setRow(b, key, append([][]byte{numberOf((expected + 1) | notedValue)}, body[:]...)...)
		},
	})
	if err != nil {
		return 0, err
	}
	return expected + 1, nil
}

// DeleteValue implements journal.Values.
func (s *Store) DeleteValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	key := entityKey(kindValue, id)
	return s.write(ctx, write{
		fence: f, id: id, wait: s.durable,
		build: func(_ *stripe, b *pebble.Batch) error {
			if err := s.expectVersion(id, key, expected); err != nil || expected == 0 {
				return err
			}
			return b.Delete(key, nil)
		},
	})
}

// AdoptValue implements journal.Values. A claim waits for the writes of earlier tokens, so
// there is nothing to keep out.
func (s *Store) AdoptValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.write(ctx, write{
		fence: f, id: id,
		build: func(*stripe, *pebble.Batch) error { return s.expectVersion(id, entityKey(kindValue, id), expected) },
	})
}

// expectVersion fails unless the value's version is expected.
func (s *Store) expectVersion(id journal.EntityID, key []byte, expected uint64) error {
	number, err := s.numbered(id, key, nil)
	if version := number &^ notedValue; err == nil && version != expected {
		err = &journal.ConflictError{ID: id, Expected: expected, Actual: version}
	}
	return err
}
