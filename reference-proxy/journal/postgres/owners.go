package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

const (
	sqlBeginLease = `
WITH begun AS (
	INSERT INTO {s}.leases (holder, beat, length_ms) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING RETURNING beat
)
SELECT EXISTS (SELECT FROM begun), ` + patient

	// sqlRenewLease and sqlEndLease say whether they did it, and the beat that they found, 0 without a lease.
	sqlRenewLease = `
WITH renewed AS (
	UPDATE {s}.leases SET beat = beat + 1 WHERE holder = $1 AND beat = $2 RETURNING beat
)
SELECT EXISTS (SELECT FROM renewed), coalesce((SELECT beat FROM {s}.leases WHERE holder = $1), 0), ` + patient

	sqlEndLease = `
WITH ended AS (
	DELETE FROM {s}.leases WHERE holder = $1 AND beat = $2 RETURNING beat
)
SELECT EXISTS (SELECT FROM ended), coalesce((SELECT beat FROM {s}.leases WHERE holder = $1), 0), ` + patient

	sqlReadLease = `SELECT beat, length_ms FROM {s}.leases WHERE holder = $1`
	sqlReadOwner = `SELECT token, holder FROM {s}.owners WHERE shard = $1`

	// sqlClaim gives shard $1 to holder $3 if its token is $2. It tells whether it did, and what it found.
	sqlClaim = `
WITH found AS MATERIALIZED (
	SELECT coalesce(o.token, 0) AS token, coalesce(o.holder, '') AS holder,
		EXISTS (SELECT FROM {s}.leases l WHERE l.holder = $3) AS alive,
		o.holder <> $3 AND EXISTS (SELECT FROM {s}.leases l WHERE l.holder = o.holder) AS held
	FROM (VALUES (1)) AS one (row) LEFT JOIN {s}.owners o ON o.shard = $1
), claimed AS (
	INSERT INTO {s}.owners AS present (shard, token, holder)
	SELECT $1, token + 1, $3 FROM found WHERE token = $2 AND alive AND held IS NOT TRUE
	ON CONFLICT (shard) DO UPDATE SET token = excluded.token, holder = excluded.holder
		WHERE present.token = excluded.token - 1
	RETURNING token
)
SELECT EXISTS (SELECT FROM claimed), token, holder, alive, held IS TRUE, ` + patient + ` FROM found`

	sqlRelease = `
WITH released AS (
	UPDATE {s}.owners SET holder = '' WHERE shard = $1 AND token = $2 AND holder = $3
)
SELECT ` + patient
)

// BeginLease implements journal.Ownership.
func (s *Store) BeginLease(ctx context.Context, h journal.Holder, length time.Duration) error {
	if err := journal.CheckLease(h, length); err != nil {
		return err
	}
	if !keepable(h) {
		return fmt.Errorf("%w: a holder's name has to be UTF-8 without NUL", journal.ErrInvalid)
	}
	var begun bool
	if err := s.own(ctx, nil, s.sql.beginLease, []any{string(h), length.Milliseconds()}, &begun, nil); err != nil {
		return fmt.Errorf("lease of %s: %w", h, err)
	}
	if !begun {
		return fmt.Errorf("%w: %s has a lease", journal.ErrConflict, h)
	}
	return nil
}

// RenewLease implements journal.Ownership.
func (s *Store) RenewLease(ctx context.Context, h journal.Holder, beat uint64) error {
	done, found, err := s.beat(ctx, h, beat, s.sql.renewLease, nil)
	switch {
	case err != nil:
		return err
	case done:
		return nil
	case found == 0:
		return fmt.Errorf("%w: the lease of %s has ended", journal.ErrFenced, h)
	}
	return fmt.Errorf("%w: the lease of %s is at beat %d, the writer expected %d", journal.ErrConflict, h, found, beat)
}

// EndLease implements journal.Ownership. It waits for the writes of h that are under way; later
// ones find no lease.
func (s *Store) EndLease(ctx context.Context, h journal.Holder, beat uint64) error {
	done, found, err := s.beat(ctx, h, beat, s.sql.endLease, []int64{s.holderLock(h)})
	if err != nil || done || found == 0 {
		return err
	}
	return fmt.Errorf("%w: the lease of %s is at beat %d, it was to end at %d", journal.ErrConflict, h, found, beat)
}

// beat runs a statement about the lease of h at beat, and again while others change it in the
// midst of the statement: it was there, with that beat, and then it was not.
func (s *Store) beat(ctx context.Context, h journal.Holder, beat uint64, sql string, locks []int64) (done bool, found uint64, err error) {
	if !keepable(h) {
		return false, 0, nil
	}
	expected := int64(beat) //nolint:gosec // looked at in the next line
	expected = max(expected, 0)
	for range maxRaces {
		var present int64
		if err := s.own(ctx, locks, sql, []any{string(h), expected}, &done, &present); err != nil {
			return false, 0, fmt.Errorf("lease of %s: %w", h, err)
		}
		if found = uint64(present); done || found == 0 || found != beat { //nolint:gosec // beats count from 1
			return done, found, nil
		}
	}
	return false, 0, fmt.Errorf("%w: the lease of %s is changed all the time", journal.ErrUnavailable, h)
}

// ReadLease implements journal.Ownership.
func (s *Store) ReadLease(ctx context.Context, h journal.Holder) (l journal.Lease, alive bool, err error) {
	if !keepable(h) {
		return journal.Lease{}, false, nil
	}
	var beat, length int64
	err = s.askOwner(ctx, s.sql.readLease, string(h), func(rows pgx.Rows) error {
		alive = true
		return rows.Scan(&beat, &length)
	})
	if err != nil {
		return journal.Lease{}, false, fmt.Errorf("lease of %s: %w", h, err)
	}
	return journal.Lease{Beat: uint64(beat), Length: time.Duration(length) * time.Millisecond}, alive, nil //nolint:gosec // counts from 1
}

// ReadOwner implements journal.Ownership.
func (s *Store) ReadOwner(ctx context.Context, shard journal.Shard) (journal.Owner, error) {
	var token int64
	var holder string
	err := s.askOwner(ctx, s.sql.readOwner, int64(shard), func(rows pgx.Rows) error { return rows.Scan(&token, &holder) })
	if err != nil {
		return journal.Owner{}, fmt.Errorf("owner of shard %d: %w", shard, err)
	}
	return journal.Owner{Token: journal.Token(token), Holder: journal.Holder(holder)}, nil //nolint:gosec // counts from 1
}

// Claim implements journal.Ownership. It has the shard to itself: the writes under way are
// over when it looks, and later ones see what it wrote.
func (s *Store) Claim(ctx context.Context, shard journal.Shard, was journal.Token, h journal.Holder) (journal.Fence, error) {
	if !keepable(h) {
		return journal.Fence{}, fmt.Errorf("%w: a holder's name has to be UTF-8 without NUL", journal.ErrInvalid)
	}
	leave, err := s.enter()
	if err != nil {
		return journal.Fence{}, err
	}
	defer leave()
	done, err := s.wait(ctx)
	if err != nil {
		return journal.Fence{}, err
	}
	defer done()
	var (
		claimed, alive, held bool
		token                int64
		holder, ignored      string
	)
	expected := int64(was) //nolint:gosec // looked at below
	err = s.transact(ctx, transaction{exclusive: []int64{s.shardLock(shard)}, steps: []step{{
		sql:  s.sql.claim,
		args: []any{int64(shard), expected, string(h)},
		row:  func(rows pgx.Rows) error { return rows.Scan(&claimed, &token, &holder, &alive, &held, &ignored) },
	}}})
	if err != nil {
		return journal.Fence{}, fmt.Errorf("claim of shard %d: %w", shard, err)
	}
	owner := journal.Owner{Token: journal.Token(token), Holder: journal.Holder(holder)} //nolint:gosec // counts from 1
	f := journal.Fence{Shard: shard, Token: was + 1, Holder: h}
	switch {
	case claimed:
		return f, nil
	case owner.Token != was:
		return journal.Fence{}, fmt.Errorf("%w: shard %d is at token %d, the claim expected %d", journal.ErrConflict, shard, owner.Token, was)
	case held:
		return journal.Fence{}, &journal.HeldError{Shard: shard, Owner: owner}
	case !alive:
		return journal.Fence{}, &journal.FencedError{Fence: f, Newest: owner.Token}
	}
	return journal.Fence{}, fmt.Errorf("%w: shard %d changed while it was claimed", journal.ErrConflict, shard)
}

// Release implements journal.Ownership.
func (s *Store) Release(ctx context.Context, f journal.Fence) error {
	if !keepable(f.Holder) || f.Holder == "" {
		return nil
	}
	if err := s.own(ctx, nil, s.sql.release, []any{int64(f.Shard), tokenOf(f), string(f.Holder)}, nil, nil); err != nil {
		return fmt.Errorf("release of shard %d: %w", f.Shard, err)
	}
	return nil
}

// own runs a statement about ownership on a connection that reads and groups leave free: a
// lease that is renewed too late costs a proxy all its shards. done and found are what it
// selects before its settings.
func (s *Store) own(ctx context.Context, exclusive []int64, sql string, args []any, done *bool, found *int64) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	var into []any
	if done != nil {
		into = append(into, done)
	}
	if found != nil {
		into = append(into, found)
	}
	var ignored string
	into = append(into, &ignored)
	return s.transact(ctx, transaction{exclusive: exclusive, steps: []step{{
		sql: sql, args: args, row: func(rows pgx.Rows) error { return rows.Scan(into...) },
	}}})
}

func (s *Store) askOwner(ctx context.Context, sql string, arg any, row func(pgx.Rows) error) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return s.query(ctx, sql, []any{arg}, func() {}, row)
}
