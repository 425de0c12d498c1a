package crashing

import (
	"context"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Store is a journal.Store with points around its writes. What is said of the methods of the store within holds for its methods.
type Store struct {
	journal.Store
	trigger *Trigger
}

// New puts the points of t around the writes of s.
func New(s journal.Store, t *Trigger) *Store { return &Store{s, t} }

// persisting passes the points around a write that was called for; a write that failed is none.
func (s *Store) persisting(write func() error) error {
	s.trigger.Pass(BeforePersist)
	err := write()
	if err == nil {
		s.trigger.Pass(AfterPersist)
	}
	return err
}

// Append implements journal.Journal.
func (s *Store) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	return s.persisting(func() error { return s.Store.Append(ctx, f, id, expected, events) })
}

// PutValue implements journal.Values.
func (s *Store) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (version uint64, err error) {
	err = s.persisting(func() error {
		version, err = s.Store.PutValue(ctx, f, id, expected, e)
		return err
	})
	return version, err
}

// DeleteValue implements journal.Values.
func (s *Store) DeleteValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	return s.persisting(func() error { return s.Store.DeleteValue(ctx, f, id, expected) })
}

// SaveSnapshot implements journal.Snapshots.
func (s *Store) SaveSnapshot(ctx context.Context, f journal.Fence, id journal.EntityID, snapshot journal.Snapshot) error {
	s.trigger.Pass(BeforeSnapshot)
	err := s.Store.SaveSnapshot(ctx, f, id, snapshot)
	if err == nil {
		s.trigger.Pass(AfterSnapshot)
	}
	return err
}
