package cassandra

import (
	"context"
	"errors"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Begin implements journal.Journal: it appends one record that stands for the events 1 to through
// and has none of them (hollow). So it is ordered, fenced, adopted and confirmed as any other.
func (s *Store) Begin(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if err := journal.CheckBegin(id, through); err != nil {
		return err
	}
	return s.writing(ctx, f, kindRecord, id, func(ctx context.Context) error {
		var none uint64
		tail, err := s.own(ctx, f, id, &none)
		if err != nil {
			return err
		}
		rec := tail.follow(tail.gen, 0, 0, s.options.buckets())
		rec.events, rec.hollow = through, true
		return s.add(ctx, f, id, tail, rec, nil)
	})
}

// add writes rec, with body, behind tail, which f's owner owns.
func (s *Store) add(ctx context.Context, f journal.Fence, id journal.EntityID, tail, rec record, body []byte) error {
	ctx, cancel := s.lasting(ctx, len(body))
	defer cancel()
	if err := s.writeRecord(ctx, id, &rec, body); err != nil {
		if errors.Is(err, journal.ErrUnknownOutcome) {
			s.disown(id)
		}
		return err
	}
	if err := s.confirm(ctx, f); err != nil {
		s.disown(id)
		return unknown(err)
	}
	s.journals.update(id, func(st *journalState) {
		st.tail, st.owner = rec, f.Token
		st.keep(anchor{tail.place, tail.gen})
		st.mark = mark{}
	})
	return nil
}
