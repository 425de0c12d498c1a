package postgres

import (
	"fmt"
	"strings"
)

// statements holds every statement's text, with the schema's name put in:
// a constant text is prepared once a connection.
type statements struct {
	begin, beginLazy string

	append, put          string
	read, snapshot, save string
	prune, getValue      string
	beginAt, list        string

	beginLease, renewLease, readLease, endLease string
	readOwner, claim, release                   string
}

func newStatements(schema string) statements {
	text := func(sql string) string {
		return strings.ReplaceAll(sql, "{s}", `"`+schema+`"`)
	}
	return statements{
		begin:      text(fmt.Sprintf(sqlBegin, sqlDurable)),
		beginLazy:  text(fmt.Sprintf(sqlBegin, sqlLazy)),
		append:     text(sqlAppend),
		put:        text(sqlPut),
		read:       text(sqlRead),
		snapshot:   text(sqlSnapshot),
		save:       text(sqlSave),
		prune:      text(sqlPrune),
		getValue:   text(sqlGetValue),
		beginAt:    text(sqlBeginAt),
		list:       text(sqlList),
		beginLease: text(sqlBeginLease),
		renewLease: text(sqlRenewLease),
		readLease:  text(sqlReadLease),
		endLease:   text(sqlEndLease),
		readOwner:  text(sqlReadOwner),
		claim:      text(sqlClaim),
		release:    text(sqlRelease),
	}
}

// sqlBegin is the second statement of every transaction: settings that hold until its end,
// whatever the server, the database, the role or a pooler has set, and then the locks. The columns are
// evaluated from left to right.
//
// The plan of the statements that follow depends on nothing that their arguments say, so
// planning them each time would be a waste.
const sqlBegin = `
SELECT
	set_config('plan_cache_mode', 'force_generic_plan', true),
	set_config('statement_timeout', $3, true),
	set_config('lock_timeout', $4, true),
	%s,
	(SELECT count(pg_advisory_xact_lock_shared(k)) FROM unnest($1::bigint[]) AS k),
	(SELECT count(pg_advisory_xact_lock(k)) FROM unnest($2::bigint[]) AS k)`

// sqlDurable makes COMMIT wait for the server's disk. With synchronous_commit off the server
// would answer before, and a crash of it could lose what was acknowledged.
const sqlDurable = `CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END`

const sqlLazy = `set_config('synchronous_commit', 'off', true)`

// patient is what the last statement before COMMIT selects besides: with a synchronous standby,
// COMMIT waits for it, and a time-out then would end the wait and report success.
const patient = `set_config('statement_timeout', '0', true)`
