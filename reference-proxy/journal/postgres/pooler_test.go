package postgres

import (
	"bytes"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// pooler stands between the store and the server as PgBouncer would whose server dies after it got a COMMIT: what the
// server answers to the next one is lost, and the client gets an error of the pooler's own.
type pooler struct {
	answer pgproto3.ErrorResponse
	armed  atomic.Bool
}

func (p *pooler) before(o Options) Options {
	// Each transaction is one write, with the text of its statements.
	o.URL += "&default_query_exec_mode=exec"
	return wrapping(o, func(conn net.Conn) net.Conn { return &pooled{Conn: conn, pooler: p} })
}

type pooled struct {
	net.Conn
	pooler *pooler
	struck atomic.Bool
}

func (c *pooled) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("COMMIT")) && c.pooler.armed.CompareAndSwap(true, false) {
		c.struck.Store(true)
	}
	return c.Conn.Write(b)
}

// Read has its first answer after the COMMIT: the server sends all that belongs to a transaction together.
func (c *pooled) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil || !c.struck.CompareAndSwap(true, false) {
		return n, err
	}
	answer, err := c.pooler.answer.Encode(nil)
	if err == nil && c.pooler.answer.Severity == "ERROR" {
		answer, err = (&pgproto3.ReadyForQuery{TxStatus: 'I'}).Encode(answer)
	}
	return copy(b, answer), err
}

// TestPoolerThatLostItsServer: what a pooler says of a transaction tells nothing about its outcome. To send it again
// would be to find one's own event and call it a conflict, which means that nothing was written.
func TestPoolerThatLostItsServer(t *testing.T) {
	for _, c := range []struct{ severity, code string }{
		{"FATAL", "08P01"}, // PgBouncer: server conn crashed?
		{"ERROR", "08P01"},
		{"FATAL", "08006"},
		{"FATAL", "58000"}, // PgCat
	} {
		t.Run(c.severity+" "+c.code, func(t *testing.T) {
			p := &pooler{answer: pgproto3.ErrorResponse{
				Severity: c.severity, SeverityUnlocalized: c.severity, Code: c.code, Message: "server conn crashed?",
			}}
			s := open(t, p.before(fresh(database(t))))
			ctx := within(t)
			f := claim(t, s, 1, "me")
			value := journal.EntityID{Namespace: "value", Key: "one"}
			p.armed.Store(true)
			errs := s.run([]*change{
				{kind: appendEvents, fence: f, id: cart, key: keyOf(cart), entries: entries("one")},
				{kind: changeValue, put: putValue, fence: f, id: value, key: keyOf(value), entries: entries("one")},
			})
			for _, err := range errs {
				if !errors.Is(err, journal.ErrUnknownOutcome) || journal.NotWritten(err) {
					t.Errorf("a committed write whose answer was lost: %v", err)
				}
			}
			recs, _, err := s.Read(ctx, cart, 0, journal.Chunk{})
			if err != nil || len(recs) != 1 {
				t.Fatalf("%d events, %v, want the one that was committed", len(recs), err)
			}
		})
	}
}
