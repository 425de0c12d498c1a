package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// SQLSTATE codes that are told apart.
const (
	codeSerialization     = "40001"
	codeDeadlock          = "40P01"
	codeUnique            = "23505"
	codePlanChanged       = "0A000" // a cached plan whose result changed
	codeNoStatement       = "26000" // a prepared statement that the server does not know: a pooler changed servers
	codeLockTimeout       = "55P03"
	codeCancelled         = "57014" // the statement's time is up
	codeReadOnly          = "25006" // a standby, or a database set so
	codeDiskFull          = "53100"
	codeTooManyConns      = "53300"
	codeNoRights          = "42501"
	codeNoSchema          = "3F000"
	codeNoTable           = "42P01"
	codeTableExists       = "42P07"
	codeNoDatabase        = "3D000"
	codeWrongPassword     = "28P01"
	codeNotAdmitted       = "28000"
	codeDamagedData       = "XX001"
	codeDamagedIndex      = "XX002"
	codeConnectionsBanned = "55000" // the database accepts none
	codeShutdown          = "57P01" // somebody ended the session, or the server
	classConnection       = "08"    // the connection, or that of a pooler to the server
)

// refusal is an error that the server answered with, or nil. A refused statement has
// rolled its transaction back.
func refusal(err error) *pgconn.PgError {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused
	}
	return nil
}

// fatal reports whether the server ended the connection with its answer.
func fatal(refused *pgconn.PgError) bool {
	severity := refused.SeverityUnlocalized
	if severity == "" {
		severity = refused.Severity
	}
	return severity != "ERROR"
}

// place names the server for messages; never with the password.
type place struct {
	host, database, user, schema string
	port                         uint16
}

func placeOf(config *pgx.ConnConfig, schema string) place {
	return place{host: config.Host, port: config.Port, database: config.Database, user: config.User, schema: schema}
}

func (p place) String() string {
	return fmt.Sprintf("PostgreSQL at %s:%d, database %q, user %q", p.host, p.port, p.database, p.user)
}

// explain gives an error of the server or of the way to it one of the meanings of package
// journal, all of them *not written*, and says how to mend it.
func (p place) explain(err error) error {
	refused := refusal(err)
	if refused == nil {
		return fmt.Errorf("%w: %v: %w%s", journal.ErrUnavailable, p, err, aboutTLS(err))
	}
	meaning, mend := journal.ErrUnavailable, ""
	switch refused.Code {
	case codeDiskFull:
		meaning, mend = journal.ErrFull, "make room on the server's disk"
	case codeReadOnly:
		mend = "the server takes no writes: it is a standby, or set to read only; use the primary's address, or list all hosts in the URL"
	case codeTooManyConns:
		mend = "raise the server's max_connections, or lower the size of the proxies' pools"
	case codeNoRights:
		mend = fmt.Sprintf("GRANT USAGE ON SCHEMA %[1]s TO %[2]q; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %[1]s TO %[2]q", p.schema, p.user)
	case codeNoSchema, codeNoTable:
		meaning, mend = journal.ErrSchema, p.migrateFirst()
	case codeNoDatabase:
		mend = "create the database, or correct its name in the URL"
	case codeWrongPassword:
		mend = "correct the user or the password in the URL"
	case codeNotAdmitted:
		mend = "the server does not admit this user from here, or not without TLS: correct the URL (user, sslmode), or the server's pg_hba.conf"
	case codeDamagedData, codeDamagedIndex:
		return &journal.CorruptError{Path: p.String(), What: "the server found damage", Cause: err}
	case codeLockTimeout, codeCancelled:
		mend = "it took longer than the time-out: the server is overloaded, or another transaction holds its locks"
	}
	if mend == "" {
		return fmt.Errorf("%w: %v: %w", meaning, p, err)
	}
	return fmt.Errorf("%w: %v: %w; %s", meaning, p, err, mend)
}

// aboutTLS is what an error of the connection says about TLS, as words to go on with; "" for nothing.
func aboutTLS(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "server refused TLS connection"):
		return "; have the server use TLS (ssl = on), or say sslmode=disable in the URL"
	case strings.Contains(text, "tls: failed to verify certificate"):
		return "; name the authority that signed the server's certificate with sslrootcert in the URL, and the server by a name that is in it"
	}
	return ""
}

func (p place) migrateFirst() string {
	return fmt.Sprintf("schema %q has not been made: run \"cloudstate-proxy store migrate\" as a user who may create tables, "+
		"or apply the output of \"cloudstate-proxy store print-schema\"", p.schema)
}

// unreached is the error for a call that got no connection. ctx is the caller's: that the store's own time-out ended
// is a failure of the server.
func (p place) unreached(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("journal: nothing was sent to %v: %w", p, cause)
	}
	return p.explain(err)
}

// verdict is what is known of a transaction that did not end well.
type verdict int

const (
	refused   verdict = iota // rolled back, and would be again
	transient                // rolled back, or never sent; it may work now
	unknown                  // perhaps committed
)

// judge tells what err means for the transaction. committing says that every statement but COMMIT was
// answered: before that, an error that the server answered with means that nothing was committed. An error of
// class 08, or one that ended the connection, need not be the server's: a pooler whose server died says so of
// whatever was not answered, which may be all of a transaction that was committed. Of those that end a
// connection only a server's farewell is known to be its own; that one is usual, and goes to idle connections too.
func judge(err error, committing bool) verdict {
	answer := refusal(err)
	switch {
	case errors.Is(err, errRolledBack):
		return refused
	case answer == nil && pgconn.SafeToRetry(err):
		return transient
	case answer == nil || strings.HasPrefix(answer.Code, classConnection):
		return unknown
	case fatal(answer) && answer.Code == codeShutdown && !committing:
		return transient
	case fatal(answer):
		return unknown
	}
	switch answer.Code {
	case codeSerialization, codeDeadlock, codePlanChanged, codeNoStatement:
		return transient
	}
	return refused
}
