package metered

import (
	"context"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/telemetry"
)

// Store is a journal.Store whose calls are counted. Make one with New. What is said of the methods of the
// store within holds for its methods.
type Store struct {
	journal.Store
	bytes *telemetry.StoreMetrics

	appending, adopting, reading, pruning                    *telemetry.Operation
	savingSnapshot, readingSnapshot                          *telemetry.Operation
	getting, putting, deleting, adoptingValue                *telemetry.Operation
	beginningLease, renewingLease, readingLease, endingLease *telemetry.Operation
	beginning, listing                                       *telemetry.Operation
	readingOwner, claiming, releasing                        *telemetry.Operation
}

// New counts what is asked of s into m.
func New(s journal.Store, m *telemetry.StoreMetrics) *Store {
	op := func(name string) *telemetry.Operation { return m.Operation(name, expected...) }
	return &Store{
		Store: s, bytes: m,
		appending: op("append"), adopting: op("adopt"), reading: op("read"), pruning: op("prune"),
		beginning: op("begin"), listing: op("list"),
		savingSnapshot: op("save_snapshot"), readingSnapshot: op("latest_snapshot"),
		getting: op("get_value"), putting: op("put_value"), deleting: op("delete_value"), adoptingValue: op("adopt_value"),
		beginningLease: op("begin_lease"), renewingLease: op("renew_lease"), readingLease: op("read_lease"), endingLease: op("end_lease"),
		readingOwner: op("read_owner"), claiming: op("claim"), releasing: op("release"),
	}
}

func end(o *telemetry.Operation, began time.Time, err error) { o.End(began, kindOf(err)) }

// Append implements journal.Journal.
func (s *Store) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	began := s.appending.Begin()
	err := s.Store.Append(ctx, f, id, expected, events)
	end(s.appending, began, err)
	if err == nil {
		total := 0
		for i := range events {
			total += events[i].Size()
		}
		s.bytes.Written(total)
	}
	return err
}

// Adopt implements journal.Journal.
func (s *Store) Adopt(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	began := s.adopting.Begin()
	err := s.Store.Adopt(ctx, f, id, expected)
	end(s.adopting, began, err)
	return err
}

// Read implements journal.Journal.
func (s *Store) Read(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
	began := s.reading.Begin()
	recs, more, err := s.Store.Read(ctx, id, after, max)
	end(s.reading, began, err)
	total := 0
	for i := range recs {
		total += recs[i].Size()
	}
	s.bytes.Read(total)
	return recs, more, err
}

// Prune implements journal.Journal.
func (s *Store) Prune(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	began := s.pruning.Begin()
	err := s.Store.Prune(ctx, f, id, through)
	end(s.pruning, began, err)
	return err
}

// Begin implements journal.Journal.
func (s *Store) Begin(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	began := s.beginning.Begin()
	err := s.Store.Begin(ctx, f, id, through)
	end(s.beginning, began, err)
	return err
}

// List implements journal.Catalog.
func (s *Store) List(ctx context.Context, after journal.Cursor, most int) ([]journal.Listed, journal.Cursor, error) {
	began := s.listing.Begin()
	list, next, err := s.Store.List(ctx, after, most)
	end(s.listing, began, err)
	return list, next, err
}

// SaveSnapshot implements journal.Snapshots.
func (s *Store) SaveSnapshot(ctx context.Context, f journal.Fence, id journal.EntityID, snapshot journal.Snapshot) error {
	began := s.savingSnapshot.Begin()
	err := s.Store.SaveSnapshot(ctx, f, id, snapshot)
	end(s.savingSnapshot, began, err)
	if err == nil {
		s.bytes.Written(len(snapshot.Payload))
	}
	return err
}

// LatestSnapshot implements journal.Snapshots.
func (s *Store) LatestSnapshot(ctx context.Context, id journal.EntityID) (journal.Snapshot, bool, error) {
	began := s.readingSnapshot.Begin()
	snapshot, found, err := s.Store.LatestSnapshot(ctx, id)
	end(s.readingSnapshot, began, err)
	s.bytes.Read(len(snapshot.Payload))
	return snapshot, found, err
}

// GetValue implements journal.Values.
func (s *Store) GetValue(ctx context.Context, id journal.EntityID) (journal.Value, error) {
	began := s.getting.Begin()
	v, err := s.Store.GetValue(ctx, id)
	end(s.getting, began, err)
	s.bytes.Read(v.Size())
	return v, err
}

// PutValue implements journal.Values.
func (s *Store) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (uint64, error) {
	began := s.putting.Begin()
	version, err := s.Store.PutValue(ctx, f, id, expected, e)
	end(s.putting, began, err)
	if err == nil {
		s.bytes.Written(e.Size())
	}
	return version, err
}

// DeleteValue implements journal.Values.
func (s *Store) DeleteValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	began := s.deleting.Begin()
	err := s.Store.DeleteValue(ctx, f, id, expected)
	end(s.deleting, began, err)
	return err
}

// AdoptValue implements journal.Values.
func (s *Store) AdoptValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	began := s.adoptingValue.Begin()
	err := s.Store.AdoptValue(ctx, f, id, expected)
	end(s.adoptingValue, began, err)
	return err
}

// BeginLease implements journal.Ownership.
func (s *Store) BeginLease(ctx context.Context, h journal.Holder, length time.Duration) error {
	began := s.beginningLease.Begin()
	err := s.Store.BeginLease(ctx, h, length)
	end(s.beginningLease, began, err)
	return err
}

// RenewLease implements journal.Ownership.
func (s *Store) RenewLease(ctx context.Context, h journal.Holder, beat uint64) error {
	began := s.renewingLease.Begin()
	err := s.Store.RenewLease(ctx, h, beat)
	end(s.renewingLease, began, err)
	return err
}

// ReadLease implements journal.Ownership.
func (s *Store) ReadLease(ctx context.Context, h journal.Holder) (journal.Lease, bool, error) {
	began := s.readingLease.Begin()
	l, found, err := s.Store.ReadLease(ctx, h)
	end(s.readingLease, began, err)
	return l, found, err
}

// EndLease implements journal.Ownership.
func (s *Store) EndLease(ctx context.Context, h journal.Holder, beat uint64) error {
	began := s.endingLease.Begin()
	err := s.Store.EndLease(ctx, h, beat)
	end(s.endingLease, began, err)
	return err
}

// ReadOwner implements journal.Ownership.
func (s *Store) ReadOwner(ctx context.Context, shard journal.Shard) (journal.Owner, error) {
	began := s.readingOwner.Begin()
	owner, err := s.Store.ReadOwner(ctx, shard)
	end(s.readingOwner, began, err)
	return owner, err
}

// Claim implements journal.Ownership.
func (s *Store) Claim(ctx context.Context, shard journal.Shard, was journal.Token, h journal.Holder) (journal.Fence, error) {
	began := s.claiming.Begin()
	f, err := s.Store.Claim(ctx, shard, was, h)
	end(s.claiming, began, err)
	return f, err
}

// Release implements journal.Ownership.
func (s *Store) Release(ctx context.Context, f journal.Fence) error {
	began := s.releasing.Begin()
	err := s.Store.Release(ctx, f)
	end(s.releasing, began, err)
	return err
}
