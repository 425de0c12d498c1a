package postgres

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// cancels says whether a connection may ask the server to give up what it does. Our driver asks so of every statement
// that it stops waiting for. Of a read that is right: nobody wants its result any more. But a COMMIT that waits for a
// synchronous standby would give up the waiting, and everybody would see what one failure of the server may undo.
type cancels struct {
	forbidden atomic.Bool
}

// cancelsKey is where a connection keeps its cancels.
const cancelsKey = "cloudstate cancels"

var errNoCancel = errors.New("a write is not cancelled")

// guardCancels gives the connection that will be made with config its cancels. To ask the server takes a connection of
// its own; while asking is forbidden, none is made.
func guardCancels(config *pgx.ConnConfig) {
	c := &cancels{}
	dial, after := config.DialFunc, config.AfterConnect
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if c.forbidden.Load() {
			return nil, errNoCancel
		}
		return dial(ctx, network, address)
	}
	config.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		conn.CustomData()[cancelsKey] = c
		if after == nil {
			return nil
		}
		return after(ctx, conn)
	}
}

// forbidCancels keeps conn from asking, until allow is called, and for good if conn is closed by then: the driver
// closes it first and asks later.
func forbidCancels(conn *pgx.Conn) (allow func()) {
	c := conn.PgConn().CustomData()[cancelsKey].(*cancels) //nolint:errcheck // guardCancels put it there
	c.forbidden.Store(true)
	return func() {
		if !conn.IsClosed() {
			c.forbidden.Store(false)
		}
	}
}
