package memory

import (
	"context"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// GetValue implements journal.Values.
func (s *Store) GetValue(ctx context.Context, id journal.EntityID) (v journal.Value, err error) {
	err = s.read(ctx, id, func(e *entity) error {
		v = e.value
		v.Entry = copies([]journal.Entry{v.Entry})[0]
		return nil
	})
	return v, err
}

// PutValue implements journal.Values.
func (s *Store) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, entry journal.Entry) (version uint64, err error) {
	if err := journal.CheckWrite(id, expected, entry); err != nil {
		return 0, err
	}
	err = s.write(ctx, f, id, func(e *entity) error {
		if err := expect(id, expected, e.value.Version); err != nil {
			return err
		}
		version = expected + 1
		e.value = journal.Value{Version: version, Entry: copies([]journal.Entry{entry})[0], Found: true}
		return nil
	})
	return version, err
}

// DeleteValue implements journal.Values.
func (s *Store) DeleteValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.write(ctx, f, id, func(e *entity) error {
		if err := expect(id, expected, e.value.Version); err != nil {
			return err
		}
		e.value = journal.Value{}
		return nil
	})
}

// AdoptValue implements journal.Values. A claim waits for the writes of earlier tokens,
// so there is nothing to keep out.
func (s *Store) AdoptValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if err := journal.CheckWrite(id, expected); err != nil {
		return err
	}
	return s.write(ctx, f, id, func(e *entity) error { return expect(id, expected, e.value.Version) })
}
