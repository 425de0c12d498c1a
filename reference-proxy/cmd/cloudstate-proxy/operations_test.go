package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	cassandraserver "github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	vecart "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
	"github.com/stateful-serverless/cloudstate/reference-proxy/cluster"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/archive"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
	pgstore "github.com/stateful-serverless/cloudstate/reference-proxy/journal/postgres"
)

// TestOperations is what whoever looks after a store does, with each store: finding damage, living with it and mending it,
// and moving what a store holds into another one.
func TestOperations(t *testing.T) {
	pg := postgres.Run(t, postgres.Options{})
	cass := cassandraserver.Run(t, cassandraserver.Options{})
	t.Run("damage", func(t *testing.T) {
		t.Run("embedded", func(t *testing.T) {
			dir := t.TempDir()
			damageAndMend(t, nil, []string{"--data-dir=" + dir}, embeddedHarms(dir))
		})
		t.Run("postgres", func(t *testing.T) {
			damageAndMend(t, []string{"CLOUDSTATE_POSTGRES_URL=" + pg.URL()}, []string{"--store=postgres"}, postgresHarms(pg.URL()))
		})
		t.Run("cassandra", func(t *testing.T) {
			damageAndMend(t, nil, []string{"--store=cassandra", "--cassandra-hosts=" + cass.Addresses()[0], "--cassandra-replication=1"}, cassandraHarms(cass))
		})
	})
	t.Run("transfer", func(t *testing.T) {
		database, err := pg.NewDatabase(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		everyPair(t, database, cass)
	})
}

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

// damageAndMend fills a store through a proxy, harms it, and looks at what the next proxy and the commands make of it; then it
// undoes the harm, under the running proxy.
func damageAndMend(t *testing.T, environ, args []string, harms []harm) {
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	user := &carts{}
	function := serveFunction(t, mockfunction.New(user.config()))
	start := func() (*process, shoppingcart.ShoppingCartClient, vecart.ShoppingCartClient) {
		free := ports(t, 2)
		p := launch(t, free[0], free[1], function, append(args, "--lease-duration=2s")...)
		p.ready()
		conn := dial(t, p.client)
		return p, shoppingcart.NewShoppingCartClient(conn), vecart.NewShoppingCartClient(conn)
	}
	ask := func(h harm, list shoppingcart.ShoppingCartClient, number vecart.ShoppingCartClient) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if h.value {
			_, err := number.GetCart(ctx, &vecart.GetShoppingCart{UserId: h.cart})
			return err
		}
		cart, err := list.GetCart(ctx, &shoppingcart.GetShoppingCart{UserId: h.cart})
		if err == nil && len(cart.GetItems()) != h.events() {
			t.Errorf("%s has %d items of %d", h.cart, len(cart.GetItems()), h.events())
		}
		return err
	}
	embedded := slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--data-dir") })
	if !embedded {
		if code, said := command(t, os.Environ(), append([]string{"store", "migrate"}, args...)...); code != 0 {
			t.Fatal(said)
		}
	}
	wholes := []harm{{cart: "whole"}, {cart: "whole", value: true}}
	p, list, number := start()
	for _, h := range append(slices.Clone(harms), wholes...) {
		for n := range h.events() {
			var err error
			if h.value {
				_, err = number.AddItem(t.Context(), &vecart.AddLineItem{UserId: h.cart, ProductId: product(h.cart, n), Quantity: int32(n)})
			} else {
				_, err = list.AddItem(t.Context(), &shoppingcart.AddLineItem{UserId: h.cart, ProductId: product(h.cart, n), Quantity: int32(n)})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if code := p.terminate(); code != 0 {
		t.Fatalf("it ended with status %d", code)
	}
	file := filepath.Join(t.TempDir(), "export.jsonl")
	if code, said := command(t, os.Environ(), append([]string{"store", "export", "--file=" + file}, args...)...); code != 0 || !strings.Contains(said, "exported: ") {
		t.Fatalf("export: status %d, %s", code, said)
	}
	if code, said := command(t, os.Environ(), append([]string{"store", "check"}, args...)...); code != 0 || !strings.Contains(said, "damaged: 0") {
		t.Fatalf("check of what is whole: status %d, %s", code, said)
	}

	var undo []func()
	for _, h := range harms {
		undo = append(undo, h.do(t))
	}
	damageIsNamed(t, args, harms)
	p, list, number = start()
	for range 3 {
		for _, h := range harms {
			err := ask(h, list, number)
			if s := status.Convert(err); s.Code() != codes.DataLoss || !strings.Contains(s.Message(), fmt.Sprintf("%q %q", h.persistenceID(), h.cart)) {
				t.Errorf("%s, %s: %v, want DATA_LOSS and whose", h.persistenceID(), h.cart, err)
			}
		}
		for _, h := range wholes {
			if err := ask(h, list, number); err != nil {
				t.Errorf("%s, which is whole: %v", h.cart, err)
			}
		}
	}
	var listed struct {
		Quarantined []struct{ PersistenceID, EntityID, Reason string }
	}
	_, body := p.answer("/quarantine")
	if err := json.Unmarshal([]byte(body), &listed); err != nil || len(listed.Quarantined) != len(harms) {
		t.Errorf("listed: %s, %v", body, err)
	}
	for _, h := range harms {
		if !slices.ContainsFunc(listed.Quarantined, func(e struct{ PersistenceID, EntityID, Reason string }) bool {
			return e.EntityID == h.cart && e.PersistenceID == h.persistenceID() && strings.Contains(e.Reason, h.says)
		}) {
			t.Errorf("%s with %q is not among %s", h.cart, h.says, body)
		}
	}
	if told := strings.Count(p.output.String(), "what is stored of an entity is damaged"); told != len(harms) {
		t.Errorf("it was logged %d times for %d entities", told, len(harms))
	}
	for _, u := range undo {
		u()
	}
	res, err := http.Post("http://"+p.probes+"/quarantine/retry", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || !strings.Contains(string(answer), fmt.Sprintf(`"retried": %d`, len(harms))) {
		t.Errorf("retry: %s", answer)
	}
	for _, h := range harms {
		if err := ask(h, list, number); err != nil {
			t.Errorf("%s, mended: %v", h.cart, err)
		}
	}
	// The entities belong to the running proxy; where the store is one process's, all of it does.
	owned := "a running proxy owns it: stop the proxies"
	if embedded {
		owned = "store in use by another proxy"
	}
	if code, said := command(t, os.Environ(), append([]string{"store", "import", "--file=" + file}, args...)...); code != 1 || !strings.Contains(said, owned) {
		t.Errorf("import beside a running proxy: status %d, %s", code, said)
	}
	if _, body := p.answer("/quarantine"); strings.Contains(body, "entityId") {
		t.Errorf("still listed: %s", body)
	}
	if code := p.terminate(); code != 0 {
		t.Errorf("it ended with status %d", code)
	}
	// What is there is what was exported: the import finds nothing to do.
	if code, said := command(t, os.Environ(), append([]string{"store", "import", "--file=" + file}, args...)...); code != 0 || !strings.Contains(said, "imported: 0 entities, ") {
		t.Errorf("import over the same: status %d, %s", code, said)
	}
	for _, f := range user.faults {
		t.Error(f)
	}
}

// damageIsNamed: the check names each damaged entity and what was found, and an export leaves out these and no others.
func damageIsNamed(t *testing.T, args []string, harms []harm) {
	t.Helper()
	for _, what := range []string{"check", "export"} {
		code, said := command(t, os.Environ(), append([]string{"store", what}, args...)...)
		if code != 1 {
			t.Errorf("store %s: status %d", what, code)
		}
		for _, h := range harms {
			want, says := fmt.Sprintf("damaged: --persistence-id='%s' --entity-id='%s': ", h.persistenceID(), h.cart), h.says
			if h.nameless {
				want, says = "damaged: journal: store damaged at ", "cannot be listed"
			}
			if i := strings.Index(said, want); i < 0 || !strings.Contains(said[i:], says) {
				t.Errorf("store %s does not say %s%s", what, want, says)
			}
		}
		if strings.Contains(said, "--entity-id='whole'") {
			t.Errorf("store %s names what is whole", what)
		}
		if what == "export" && strings.Count(said, `"entity-id":"whole"`) != 2 {
			t.Errorf("store %s leaves out what is whole", what)
		}
	}
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

// everyPair moves what each store has into each, and what comes out there is the same.
func everyPair(t *testing.T, database string, cass *cassandraserver.Cluster) {
	ctx := t.Context()
	keyspace, err := cass.NewKeyspace(ctx)
	if err != nil {
		t.Fatal(err)
	}
	o := cassandra.Options{Hosts: cass.Addresses(), Port: cass.Port(), Keyspace: keyspace, Username: cass.Username(), Password: cass.Password(), BucketRecords: 3}
	if err := cassandra.Migrate(ctx, o); err != nil {
		t.Fatal(err)
	}
	stores := map[string]journal.Store{"memory": memory.New()}
	embedded, err1 := pebble.Open(t.TempDir(), pebble.Options{})
	relational, err2 := pgstore.Open(ctx, pgstore.Options{URL: database, AutoMigrate: true})
	wide, err3 := cassandra.Open(ctx, o)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	stores["embedded"], stores["postgres"], stores["cassandra"] = embedded, relational, wide
	owners := map[string]*cluster.Local{}
	for name, s := range stores {
		owners[name] = cluster.NewLocal(cluster.Config{Store: s})
		fillFrom(t, name, s, owners[name])
	}
	defer func() {
		for name, s := range stores {
			owners[name].Close()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	for from, source := range stores {
		stream := exported(t, source, from)
		want := entitiesIn(t, stream)
		if len(want) != 7 {
			t.Fatalf("%s: %d entities", from, len(want))
		}
		for to, target := range stores {
			done, err := archive.Import(ctx, archive.NewReader(strings.NewReader(stream)), target, owners[to], func(e *archive.RefusedError) {
				t.Errorf("%s to %s: %v", from, to, e)
			})
			if err != nil || from == to && done.Written > 0 || from != to && done.Present > 0 {
				t.Errorf("%s to %s: %+v, %v", from, to, done, err)
			}
			if got := entitiesIn(t, exported(t, target, from)); !maps.Equal(got, want) {
				t.Errorf("%s to %s:\n got %q\nwant %q", from, to, got, want)
			}
		}
	}
}

// fillFrom gives a store entities of every sort, all of the persistence id name.
func fillFrom(t *testing.T, name string, s journal.Store, owner *cluster.Local) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i, key := range []string{"plain", "pruned", "all pruned", "value", "noted", "\x00\xff%/", "long"} {
		id := journal.EntityID{Namespace: name, Key: key}
		f, err := owner.Fence(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		events := uint64(4)
		if key == "long" {
			events = 60
		}
		if key == "value" {
			_, err = s.PutValue(ctx, f, id, 0, journal.Entry{Payload: []byte("state"), Note: []byte("note")})
			events = 0
		}
		for n := range events {
			e := journal.Entry{Payload: fmt.Appendf(nil, "%s %d", name, n)}
			if key == "noted" {
				e.Note = []byte{0, byte(n)}
			}
			err = errors.Join(err, s.Append(ctx, f, id, n, []journal.Entry{e}))
		}
		if through := map[string]uint64{"pruned": 2, "all pruned": 4, "long": 41}[key]; through > 0 {
			err = errors.Join(err, s.SaveSnapshot(ctx, f, id, journal.Snapshot{Seq: through, Payload: []byte("snapshot")}), s.Prune(ctx, f, id, through))
		}
		if err != nil {
			t.Fatalf("%s, entity %d: %v", name, i, err)
		}
	}
}

func exported(t *testing.T, from journal.Store, persistenceID string) string {
	t.Helper()
	var to bytes.Buffer
	w, err := archive.NewWriter(&to, "test", time.Now())
	if err == nil {
		_, err = archive.Export(t.Context(), from, archive.Selection{Namespace: &persistenceID}, w, func(err error) { t.Error(err) })
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return to.String()
}

// entitiesIn is what a stream says of each entity.
func entitiesIn(t *testing.T, stream string) map[journal.EntityID]string {
	t.Helper()
	all := map[journal.EntityID]string{}
	var at journal.EntityID
	for r := archive.NewReader(strings.NewReader(stream)); ; {
		it, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		case it.Entity != nil:
			at = it.Entity.ID
			all[at] += fmt.Sprintf("behind %d: ", it.Entity.Pruned)
		case it.Event != nil:
			all[at] += fmt.Sprintf("%d=%s(%x) ", it.Event.Seq, it.Event.Payload, it.Event.Note)
		case it.Snapshot != nil:
			all[at] += fmt.Sprintf("state %d %s ", it.Snapshot.Seq, it.Snapshot.Payload)
		case it.Value != nil:
			all[at] += fmt.Sprintf("value %s(%x) ", it.Value.Payload, it.Value.Note)
		}
	}
}
