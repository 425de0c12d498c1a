package pebble

import (
	"bytes"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// numbered returns the number of a snapshot or a value, 0 if the row is not there, and
// copies its payload to where payload points, if anywhere.
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
		var payload []byte
		version, err := s.numbered(id, entityKey(kindValue, id), &payload)
		if err == nil && version > 0 {
			v = journal.Value{Version: version, Payload: payload, Found: true}
		}
		return err
	})
	return v, err
}

// PutValue implements journal.Values.
func (s *Store) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, payload []byte) (version uint64, err error) {
	if err := journal.CheckWrite(id, expected, payload); err != nil {
		return 0, err
	}
	key := entityKey(kindValue, id)
	err = s.write(ctx, write{
		fence: f, id: id, size: rowOverhead + len(key) + len(payload), wait: s.durable,
		build: func(_ *stripe, b *pebble.Batch) error {
			if err := s.expectVersion(id, key, expected); err != nil {
				return err
			}
			return setRow(b, key, numberOf(expected+1), payload)
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

// expectVersion fails unless the value's version is expected.
func (s *Store) expectVersion(id journal.EntityID, key []byte, expected uint64) error {
	version, err := s.numbered(id, key, nil)
	if err == nil && version != expected {
		err = &journal.ConflictError{ID: id, Expected: expected, Actual: version}
	}
	return err
}
