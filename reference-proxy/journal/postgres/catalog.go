package postgres

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// lost finds a row of an entity at a place where the table of entities has none: somebody removed what tells whose it
// is. The place is a condition on entity; what it says becomes the bounds of the search in each index.
const lost = `(SELECT entity FROM (
	(SELECT entity FROM {s}.events WHERE %[1]s ORDER BY entity LIMIT 1)
	UNION ALL
	(SELECT entity FROM {s}.vals WHERE %[1]s ORDER BY entity LIMIT 1)
	UNION ALL
	(SELECT entity FROM {s}.snapshots WHERE %[1]s ORDER BY entity LIMIT 1)
) AS found (entity) ORDER BY entity LIMIT 1) AS lost`

// sqlList returns the entities behind the key $1, $2 of them at most, and what there is of each: one
// whose value was deleted is known, but has nothing. The last row, without an entity, is what follows the last of all.
//
// What there is is asked for with a subquery each and not with EXISTS, which may be answered by looking at all events.
var sqlList = `
WITH page AS MATERIALIZED (
	SELECT entity, namespace, key, pruned FROM {s}.entities WHERE entity > $1::bytea ORDER BY entity LIMIT $2::bigint
)
SELECT i.entity, i.namespace, i.key,
	i.pruned > 0
	OR (SELECT true FROM {s}.events e WHERE e.entity = i.entity ORDER BY e.seq LIMIT 1) IS NOT NULL
	OR (SELECT true FROM {s}.snapshots n WHERE n.entity = i.entity) IS NOT NULL,
	(SELECT true FROM {s}.vals v WHERE v.entity = i.entity) IS NOT NULL,
	` + fmt.Sprintf(lost, "entity > i.before AND entity < i.entity") + `
FROM (SELECT *, lag(entity, 1, $1::bytea) OVER (ORDER BY entity) AS before FROM page) AS i
UNION ALL
SELECT NULL, NULL, NULL, false, false, ` + fmt.Sprintf(lost, "entity > i.last") + `
FROM (SELECT coalesce((SELECT entity FROM page ORDER BY entity DESC LIMIT 1), $1::bytea) AS last, count(*) AS rows FROM page) AS i WHERE i.rows < $2::bigint
ORDER BY entity NULLS LAST`

// List implements journal.Catalog. The order is that of the keys in the tables, which are hashes; a cursor
// is the key that came last.
func (s *Store) List(ctx context.Context, after journal.Cursor, most int) (list []journal.Listed, next journal.Cursor, err error) {
	leave, err := s.enter()
	if err != nil {
		return nil, "", err
	}
	defer leave()
	done, err := s.wait(ctx)
	if err != nil {
		return nil, "", err
	}
	defer done()
	var nameless []byte
	err = s.query(ctx, s.sql.list, []any{[]byte(after), journal.PageSize(most)},
		func() { list, next, nameless = nil, "", nil },
		func(rows pgx.Rows) error {
			var entity, namespace, key, lost []byte
			var found journal.Listed
			if err := rows.Scan(&entity, &namespace, &key, &found.Journal, &found.Value, &lost); err != nil {
				return err
			}
			if nameless == nil {
				nameless = lost
			}
			next = journal.Cursor(entity) // "" for the last row of all
			if found.Journal || found.Value {
				found.ID = journal.EntityID{Namespace: string(namespace), Key: string(key)}
				list = append(list, found)
			}
			return nil
		})
	if err != nil {
		return nil, "", fmt.Errorf("listing entities: %w", err)
	}
	if nameless != nil {
		return list, next, s.damage(journal.EntityID{}, "the row of an entity in the table entities is missing, though there are others of it: "+
			"look for entity = '\\x%s' in events, vals and snapshots", hex.EncodeToString(nameless))
	}
	return list, next, nil
}
