package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cassandraserver "github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
)

// harm is damage to what is stored of one cart.
type harm struct {
	cart  string
	value bool // of the value entity
	says  string
	// nameless damage hides the cart's name from a listing, which tells that much.
	nameless bool
	do       func(t *testing.T) (undo func())
}

func (h harm) persistenceID() string {
	if h.value {
		return "value-cart"
	}
	return "cart"
}

// events is how many a cart has: 7 come with a snapshot.
func (h harm) events() int {
	if strings.Contains(h.cart, "snapshot") {
		return 7
	}
	return 5
}

// product is a text that a compressor cannot shorten much and that a file can be searched for.
func product(cart string, n int) string {
	seed := uint64(n + 1)
	for _, b := range []byte(cart) {
		seed = seed*1099511628211 + uint64(b)
	}
	text := []byte(fmt.Sprintf("<%s %d>", cart, n))
	for len(text) < 8000 {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		text = append(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[seed>>58])
	}
	return string(text)
}

// embeddedHarms flip a byte in the file that holds what was written.
func embeddedHarms(dir string) []harm {
	flip := func(marker string) func(*testing.T) func() {
		return func(t *testing.T) func() {
			files, _ := filepath.Glob(filepath.Join(dir, "db", "*"))
			for _, path := range files {
				content, err := os.ReadFile(path)
				if err != nil {
					continue
				}
				if at := bytes.Index(content, []byte(marker)); at >= 0 {
					turn := func() {
						f, err := os.OpenFile(path, os.O_RDWR, 0)
						if err != nil {
							t.Fatal(err)
						}
						one := make([]byte, 1)
						_, readErr := f.ReadAt(one, int64(at))
						one[0] ^= 0x55
						_, writeErr := f.WriteAt(one, int64(at))
						if err := errors.Join(readErr, writeErr, f.Sync(), f.Close()); err != nil {
							t.Fatal(err)
						}
					}
					turn()
					return turn
				}
			}
			t.Fatalf("%s is in no file", marker)
			return nil
		}
	}
	return []harm{
		{cart: "first event", says: "a file is damaged", nameless: true, do: flip("<first event 0>")},
		{cart: "middle event", says: "a file is damaged", do: flip("<middle event 2>")},
		{cart: "z value", value: true, says: "a file is damaged", nameless: true, do: flip("<z value 4>")},
	}
}

// postgresHarms remove or change rows.
func postgresHarms(address string) []harm {
	entity := func(cart string) string {
		return fmt.Sprintf("entity = (SELECT entity FROM cloudstate.entities WHERE key = '%s')", cart)
	}
	remove := func(cart, where string) func(*testing.T) func() {
		return func(t *testing.T) func() {
			kept := strings.ReplaceAll("kept_"+cart, " ", "_")
			execute(t, address,
				"CREATE TABLE "+kept+" AS SELECT * FROM cloudstate.events WHERE "+entity(cart)+where,
				"DELETE FROM cloudstate.events WHERE "+entity(cart)+where)
			return func() { execute(t, address, "INSERT INTO cloudstate.events SELECT * FROM "+kept) }
		}
	}
	return []harm{
		{cart: "first event", says: "event 1 is missing, the next is 2", do: remove("first event", " AND seq = 1")},
		{cart: "middle event", says: "event 3 is missing, the next is 4", do: remove("middle event", " AND seq = 3")},
		{cart: "event of a snapshot", says: "there is a snapshot of event 7, but not the event", do: remove("event of a snapshot", " AND seq = 7")},
		{cart: "a value", value: true, says: "version 0", do: func(t *testing.T) func() {
			execute(t, address, "UPDATE cloudstate.vals SET version = 0 WHERE "+entity("a value"))
			return func() { execute(t, address, "UPDATE cloudstate.vals SET version = 5 WHERE "+entity("a value")) }
		}},
	}
}

// cassandraHarms remove rows, or change their heads, with time stamps later than the store's.
func cassandraHarms(c *cassandraserver.Cluster) []harm {
	run := func(t *testing.T, cql string, args ...any) {
		t.Helper()
		config := c.Config()
		config.Keyspace = "cloudstate"
		session, err := config.CreateSession()
		if err != nil {
			t.Fatal(err)
		}
		defer cassandraserver.Close(session)
		if err := session.Query(cql, args...).ExecContext(t.Context()); err != nil {
			t.Fatalf("%s: %v", cql, err)
		}
	}
	// damage changes the newest row of a table that belongs to a cart and is at a place.
	damage := func(table, persistenceID, cart, place string, remove bool) func(*testing.T) func() {
		return func(t *testing.T) func() {
			config := c.Config()
			config.Keyspace = "cloudstate"
			session, err := config.CreateSession()
			if err != nil {
				t.Fatal(err)
			}
			defer cassandraserver.Close(session)
			row := map[string]any{}
			if err := session.Query("SELECT * FROM "+table+" WHERE ns = ? AND key = ?"+place+" LIMIT 1", []byte(persistenceID), []byte(cart)).MapScanContext(t.Context(), row); err != nil {
				t.Fatal(err)
			}
			var names, marks, where []string
			var values, primary []any
			for name, value := range row {
				if name == "pruned" || name == "swept" {
					continue
				}
				names, marks, values = append(names, name), append(marks, "?"), append(values, value)
				if name != "head" && name != "data" {
					where, primary = append(where, name+" = ?"), append(primary, value)
				}
			}
			insert := "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ") USING TIMESTAMP 4"
			if remove {
				run(t, "DELETE FROM "+table+" USING TIMESTAMP 3 WHERE "+strings.Join(where, " AND "), primary...)
			} else {
				run(t, "UPDATE "+table+" USING TIMESTAMP 3 SET head = 0x0102030405060708 WHERE "+strings.Join(where, " AND "), primary...)
			}
			return func() { run(t, insert, values...) }
		}
	}
	return []harm{
		{cart: "first event", says: "event 1 is missing", do: damage("events", "cart", "first event", " AND bucket = 0 AND first = 1", true)},
		{cart: "middle event", says: "event 3 is missing", do: damage("events", "cart", "middle event", " AND bucket = 0 AND first = 3", true)},
		{cart: "a snapshot", says: "snapshot of event 7", do: damage("snapshots", "cart", "a snapshot", "", false)},
		{cart: "a value", value: true, says: "value written by generation", do: damage("vals", "value-cart", "a value", "", false)},
	}
}
