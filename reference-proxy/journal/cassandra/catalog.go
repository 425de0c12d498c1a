package cassandra

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

const (
	listEvents    = "SELECT DISTINCT ns, key, bucket FROM events"
	listSnapshots = "SELECT DISTINCT ns, key FROM snapshots"
	listValues    = "SELECT ns, key, fence, attempt, part, head FROM vals PER PARTITION LIMIT 1"
	selectFirst   = "SELECT first FROM events WHERE ns = ? AND key = ? AND bucket = 0 AND first >= 1 LIMIT 1"
	selectPruned  = "SELECT swept FROM snapshots WHERE ns = ? AND key = ? LIMIT 1"
)

// A listing goes through three tables in turn, each in the order of its partitions. The first
// byte of a cursor says which, the rest is Cassandra's own paging state.
//
// A journal is listed at its bucket 0 while that is there, and then, as only a prune removes
// it, at its snapshots, which come later.
const (
	inEvents byte = iota
	inSnapshots
	inValues
	atEnd
)

// looksAtOnce bounds the reads that decide what of a page is listed.
const looksAtOnce = 16

// List implements journal.Catalog.
func (s *Store) List(ctx context.Context, after journal.Cursor, most int) (list []journal.Listed, next journal.Cursor, err error) {
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return nil, "", err
	}
	defer leave()
	table, state := inEvents, []byte(nil)
	if after != "" {
		table, state = after[0], []byte(after[1:])
	}
	if table >= atEnd {
		return nil, "", fmt.Errorf("%w: a cursor of another store", journal.ErrInvalid)
	}
	found, state, err := s.listPage(ctx, table, state, journal.PageSize(most))
	if err != nil {
		return nil, "", err
	}
	if len(state) == 0 {
		table++
	}
	if table < atEnd {
		next = journal.Cursor(append([]byte{table}, state...))
	}
	there := make([]bool, len(found))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(looksAtOnce)
	for i, look := range found {
		g.Go(func() (err error) {
			there[i], err = look.there(gctx)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, "", err
	}
	for i, look := range found {
		if there[i] {
			list = append(list, look.Listed)
		}
	}
	return list, next, nil
}

// candidate is a partition that was found, and how to know whether it is to be listed.
type candidate struct {
	journal.Listed
	there func(context.Context) (bool, error)
}

// listPage reads one page of a table.
func (s *Store) listPage(ctx context.Context, table byte, state []byte, size int) (found []candidate, next []byte, err error) {
	var ns, key, head []byte
	var bucket, token, attempt int64
	var part int
	cql, dest := listEvents, []any{&ns, &key, &bucket}
	switch table {
	case inSnapshots:
		cql, dest = listSnapshots, []any{&ns, &key}
	case inValues:
		cql, dest = listValues, []any{&ns, &key, &token, &attempt, &part, &head}
	}
	err = s.retryRead(ctx, func(ctx context.Context) error {
		it := s.session.Query(cql).Consistency(s.options.quorum()).Idempotent(true).PageSize(size).PageState(state).IterContext(ctx)
		found, next = nil, append([]byte(nil), it.PageState()...)
		for it.Scan(dest...) {
			id := journal.EntityID{Namespace: string(ns), Key: string(key)}
			c := candidate{Listed: journal.Listed{ID: id, Journal: true}}
			switch table {
			case inEvents:
				at := bucket
				c.there = func(ctx context.Context) (bool, error) { return s.listedAt(ctx, id, at) }
			case inSnapshots:
				c.there = func(ctx context.Context) (bool, error) {
					has, err := s.hasEvents(ctx, id)
					return !has, err
				}
			case inValues:
				c.Listed = journal.Listed{ID: id, Value: true}
				c.there = s.valueIsThere(id, generation{journal.Token(token), uint64(attempt)}, part, append([]byte(nil), head...))
			}
			found = append(found, c)
		}
		return it.Close()
	})
	return found, next, err
}

// hasEvents says whether bucket 0 of id has rows of events.
func (s *Store) hasEvents(ctx context.Context, id journal.EntityID) (bool, error) {
	var first int64
	return s.quorumRow(ctx, statement{selectFirst, []any{[]byte(id.Namespace), []byte(id.Key)}}, &first)
}

// listedAt says whether the journal of id is listed at a bucket that it has: the first, or one whose
// predecessor is missing and was not pruned, so that damage is listed, too.
func (s *Store) listedAt(ctx context.Context, id journal.EntityID, bucket int64) (bool, error) {
	if bucket == 0 {
		return s.hasEvents(ctx, id)
	}
	ns, key := []byte(id.Namespace), []byte(id.Key)
	var first int64
	if before, err := s.quorumRow(ctx, statement{selectAny, []any{ns, key, bucket - 1}}, &first); before || err != nil {
		return false, err
	}
	var swept *int64
	pruned, err := s.quorumRow(ctx, statement{selectPruned, []any{ns, key}}, &swept)
	return !pruned, err
}

// valueIsThere returns what tells whether the value whose newest row is given is present: its head
// says so, and what is without a head, or damaged, is read whole.
func (s *Store) valueIsThere(id journal.EntityID, gen generation, part int, encoded []byte) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		h, damage := decodeHead(kindValue, valueSpot(id, gen), encoded)
		if part == 0 && damage == nil {
			return h.numbers[0] > 0, nil
		}
		if part == 0 {
			return true, nil // whoever reads it is told
		}
		v, err := s.readValue(ctx, id)
		return v.version > 0, err
	}
}
