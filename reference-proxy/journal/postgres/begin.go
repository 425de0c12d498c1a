package postgres

import (
	"context"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// sqlBeginAt makes the events of entity $1, namespace $5 and key $6, begin behind $7, if there never was one.
const sqlBeginAt = `
WITH ` + fenced + `, begun AS (
	INSERT INTO {s}.entities AS present (entity, namespace, key, pruned)
	SELECT $1, $5::bytea, $6::bytea, $7::bigint FROM op WHERE holds AND last = 0
	ON CONFLICT (entity) DO UPDATE SET pruned = excluded.pruned WHERE present.pruned = 0
)
SELECT holds, newest, last, 0::bigint, 0::bigint FROM op, (SELECT ` + patient + `) AS settings`

// Begin implements journal.Journal: what an entity has whose events were pruned. Nobody else writes to it as long as the
// fence holds.
func (s *Store) Begin(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if err := journal.CheckBegin(id, through); err != nil {
		return err
	}
	found, err := s.guarded(ctx, f, id, s.sql.beginAt, false, []byte(id.Namespace), []byte(id.Key), int64(through)) //nolint:gosec // CheckBegin
	if err == nil && found.last > 0 {
		err = &journal.ConflictError{ID: id, Expected: 0, Actual: found.last}
	}
	return err
}
