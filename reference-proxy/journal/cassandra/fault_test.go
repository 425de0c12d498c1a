package cassandra_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	server "github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
)

func entity(t testing.TB) journal.EntityID {
	return journal.EntityID{Namespace: "cassandra", Key: t.Name()}
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %q, want %q", what, got, want)
	}
}

// TestLateWrites: what dead owners wrote arrives after the next owner adopted: in place of what is
// there, behind it, and at several places.
func TestLateWrites(t *testing.T) {
	c := node(t)
	o := fresh(t, c)
	first, second := open(t, o), open(t, o)
	ctx, id := within(t), entity(t)

	a := own(t, first, "a", 1)
	a.append(id, 0, "one")
	a.append(id, 1, "two", "three")
	b := own(t, second, "b", 1)
	same(t, "before the adoption", texts(t, second, id, 0), "one", "two", "three")
	if err := b.Adopt(ctx, b.fence, id, 3); err != nil {
		t.Fatal(err)
	}
	first.Late(t, id, 4, 1, 1, "late four")
	first.Late(t, id, 2, 1, 7, "late two")
	same(t, "with late writes", texts(t, second, id, 0), "one", "two", "three")
	same(t, "with late writes, for others", texts(t, first, id, 0), "one", "two", "three")
	b.append(id, 3, "four")
	first.Late(t, id, 5, 1, 1, "late five")
	first.Late(t, id, 4, 1, 9, "later four", "later five")
	same(t, "behind the next append", texts(t, open(t, o), id, 0), "one", "two", "three", "four")

	// The old owner does not know yet.
	err := a.Append(ctx, a.fence, id, 3, entries("stale"))
	if err == nil {
		t.Error("a stale owner's append was acknowledged")
	}
	same(t, "after the stale append", texts(t, second, id, 0), "one", "two", "three", "four")
	if err := a.Append(ctx, a.fence, id, 3, entries("stale")); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("once it knows: %v", err)
	}
	if err := a.SaveSnapshot(ctx, a.fence, id, journal.Snapshot{Seq: 1}); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("its snapshot: %v", err)
	}
}

// TestTwoLateWrites: nothing is there when the third owner adopts nothing; then the writes of two
// dead ones arrive, the newer one last.
func TestTwoLateWrites(t *testing.T) {
	o := fresh(t, node(t))
	s := open(t, o)
	ctx, id := within(t), entity(t)
	own(t, s, "a", 1)
	own(t, s, "b", 1)
	c := own(t, s, "c", 1)
	if err := c.Adopt(ctx, c.fence, id, 0); err != nil {
		t.Fatal(err)
	}
	s.Late(t, id, 1, 1, 1, "of a")
	same(t, "after the first", texts(t, s, id, 0))
	s.Late(t, id, 1, 2, 1, "of b")
	same(t, "after the second", texts(t, s, id, 0))
	c.append(id, 0, "of c")
	same(t, "after our own", texts(t, open(t, o), id, 0), "of c")
}

// TestReadThenOther: between the read and the adoption the last event turns into another one.
func TestReadThenOther(t *testing.T) {
	o := fresh(t, node(t))
	s := open(t, o)
	ctx, id := within(t), entity(t)
	a := own(t, s, "a", 1)
	a.append(id, 0, "one")
	own(t, s, "b", 1)
	c := own(t, open(t, o), "c", 1)
	// What a was about to write when it died is seen, and then what b was.
	s.Late(t, id, 2, 1, 1, "two of a")
	same(t, "first", texts(t, c.Store, id, 0), "one", "two of a")
	// b had adopted what a wrote first.
	s.LateCopy(t, id, 1, 1, 2, 1, "one")
	s.Late(t, id, 2, 2, 1, "two of b")
	if err := c.Adopt(ctx, c.fence, id, 2); !errors.Is(err, journal.ErrConflict) {
		t.Fatalf("the adoption of what was not read: %v", err)
	}
	same(t, "then", texts(t, c.Store, id, 0), "one", "two of b")
	if err := c.Adopt(ctx, c.fence, id, 2); err != nil {
		t.Fatal(err)
	}
}

func TestLateValues(t *testing.T) {
	o := fresh(t, node(t))
	first, second := open(t, o), open(t, o)
	ctx, id := within(t), entity(t)
	a := own(t, first, "a", 1)
	if _, err := a.PutValue(ctx, a.fence, id, 0, journal.Entry{Payload: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	b := own(t, second, "b", 1)
	if err := b.AdoptValue(ctx, b.fence, id, 1); err != nil {
		t.Fatal(err)
	}
	want := func(version uint64, payload string) {
		t.Helper()
		v, err := open(t, o).GetValue(ctx, id)
		if err != nil || v.Version != version || string(v.Payload) != payload {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	first.LateValue(t, id, 1, 99, 2, "late")
	want(1, "one")
	if err := b.DeleteValue(ctx, b.fence, id, 1); err != nil {
		t.Fatal(err)
	}
	first.LateValue(t, id, 1, 100, 2, "later")
	want(0, "")
	if _, err := a.PutValue(ctx, a.fence, id, 1, journal.Entry{Payload: []byte("stale")}); err == nil {
		t.Error("a stale owner's put was acknowledged")
	}
	want(0, "")
}

// TestMissingAndDamagedRows: whatever goes missing or changes is named, and the entity refuses to
// serve a gap; another one is served.
func TestMissingAndDamagedRows(t *testing.T) {
	c := node(t)
	o := fresh(t, c, func(o *cassandra.Options) { o.BucketRecords = 3 })
	session := raw(t, c, o)
	ctx := within(t)
	for name, cql := range map[string]string{
		"the root":          "DELETE FROM events WHERE ns = ? AND key = ? AND bucket = 0 AND first = 0",
		"the first":         "DELETE FROM events WHERE ns = ? AND key = ? AND bucket = 0 AND first = 1",
		"one in the middle": "DELETE FROM events WHERE ns = ? AND key = ? AND bucket = 1 AND first = 5",
		"a bucket's last":   "DELETE FROM events WHERE ns = ? AND key = ? AND bucket = 1 AND first = 6",
		"a bucket":          "DELETE FROM events WHERE ns = ? AND key = ? AND bucket = 1",
		"the first bucket":  "DELETE FROM events WHERE ns = ? AND key = ? AND bucket = 0",
		"data":              "UPDATE events SET data = 0x01026162 WHERE ns = ? AND key = ? AND bucket = 1 AND first = 5 AND fence = 1 AND attempt = 1 AND part = 0",
		"a head":            "UPDATE events SET head = 0x01026162 WHERE ns = ? AND key = ? AND bucket = 1 AND first = 5 AND fence = 1 AND attempt = 1 AND part = 0",
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, o)
			w := own(t, s, t.Name(), 1)
			id, other := entity(t), journal.EntityID{Key: t.Name()}
			// The first owner of the shard wrote it, whatever the token is by now.
			cql := strings.ReplaceAll(cql, "fence = 1", fmt.Sprintf("fence = %d", w.fence.Token))
			for i := range uint64(9) {
				w.append(id, i, fmt.Sprint(i+1))
			}
			w.append(other, 0, "other")
			if err := session.Query(cql, []byte(id.Namespace), []byte(id.Key)).ExecContext(ctx); err != nil {
				t.Fatal(err)
			}
			fresh := open(t, o)
			recs, _, err := fresh.Read(ctx, id, 0, journal.Chunk{})
			var damage *journal.CorruptError
			if !errors.As(err, &damage) || damage.ID != id || len(recs) > 0 {
				t.Fatalf("%d records, error %v", len(recs), err)
			}
			t.Log(err)
			same(t, "the other", texts(t, fresh, other, 0), "other")
			if name == "data" {
				return // an append reads the heads only, and whoever appends has read the rest
			}
			next := own(t, fresh, t.Name()+" next", 1)
			if err := next.Append(ctx, next.fence, id, 9, entries("ten")); !errors.Is(err, journal.ErrCorrupt) || !journal.NotWritten(err) {
				t.Errorf("append: %v", err)
			}
		})
	}
}

// TestKilledServer: the only node is killed under load and comes back; nothing that was
// acknowledged is gone, nothing is there twice, and nobody helps the store to go on.
func TestKilledServer(t *testing.T) {
	c := server.Run(t, server.Options{HeapMB: 320})
	o := fresh(t, c)
	hasty := o
	hasty.Timeout = 5 * time.Second
	s := open(t, hasty)
	w := own(t, s, "w", 1)
	ctx := within(t)
	const writers = 4
	stop := make(chan struct{})
	acknowledged := make([][]string, writers)
	var refused, doubtful, after [writers]int
	killed := make(chan struct{})
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			id := journal.EntityID{Namespace: "w", Key: fmt.Sprint(i)}
			last := uint64(0)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				text := fmt.Sprintf("%d/%d", i, n)
				err := s.Append(ctx, w.fence, id, last, entries(text))
				var conflict *journal.ConflictError
				switch {
				case err == nil:
					acknowledged[i] = append(acknowledged[i], text)
					last++
					select {
					case <-killed:
						if after[i]++; after[i] == 20 {
							return
						}
					default:
					}
				case errors.As(err, &conflict):
					last = conflict.Actual
				case journal.NotWritten(err):
					refused[i]++
				default:
					doubtful[i]++
				}
			}
		})
	}
	time.AfterFunc(2*time.Second, func() { c.Node(1).Kill(); close(killed) })
	<-killed
	if err := c.Node(1).Restart(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		close(stop)
		t.Fatalf("no writer got on: refused %v, doubtful %v, after %v", refused, doubtful, after)
	}
	total := 0
	for i := range writers {
		got := texts(t, open(t, o), journal.EntityID{Namespace: "w", Key: fmt.Sprint(i)}, 0)
		seen := map[string]bool{}
		for _, g := range got {
			if seen[g] {
				t.Errorf("%s is there twice", g)
			}
			seen[g] = true
		}
		at := 0
		for _, a := range acknowledged[i] {
			for at < len(got) && got[at] != a {
				at++
			}
			if at == len(got) {
				t.Fatalf("%s was acknowledged and is gone, or out of order", a)
			}
		}
		total += len(acknowledged[i])
	}
	t.Logf("%d acknowledged, refused %v, doubtful %v", total, refused, doubtful)
}

// TestSchema: what is missing, newer or of another domain is refused with a word on what to do.
func TestSchema(t *testing.T) {
	c := node(t)
	o := fresh(t, c)
	session := raw(t, c, o)
	ctx := within(t)
	if err := cassandra.Migrate(ctx, o); err != nil {
		t.Errorf("twice: %v", err)
	}
	for _, bad := range []struct {
		name string
		make func(*cassandra.Options)
		want error
		say  string
	}{
		{"no keyspace", func(o *cassandra.Options) { o.Keyspace = "nowhere" }, journal.ErrSchema, "store migrate"},
		{"no table", func(o *cassandra.Options) { o.Keyspace = "system_auth" }, journal.ErrSchema, "store migrate"},
		{"another domain", func(o *cassandra.Options) { o.Domain, o.Datacenter = cassandra.Local, c.Datacenter() }, cassandra.ErrOptions, "local:"},
		{"no host", func(o *cassandra.Options) { o.Hosts, o.Timeout = []string{"127.0.0.1:1"}, time.Second }, journal.ErrUnavailable, "127.0.0.1:1"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			o := o
			bad.make(&o)
			s, err := cassandra.Open(ctx, o)
			if err == nil {
				t.Cleanup(func() { _ = s.Close() }) // what is wrong is told below
			}
			if !errors.Is(err, bad.want) || !strings.Contains(err.Error(), bad.say) {
				t.Errorf("%v", err)
			}
			t.Log(err)
		})
	}
	if err := session.Query("UPDATE meta SET value = '2' WHERE name = 'format' IF value = '1'").ExecContext(ctx); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"open": justOpen(ctx, o), "migrate": cassandra.Migrate(ctx, o)} {
		if !errors.Is(err, journal.ErrFormat) || !strings.Contains(err.Error(), "2") {
			t.Errorf("%s: %v", what, err)
		}
	}
	var b bytes.Buffer
	if err := cassandra.Schema(&b, o); err != nil || strings.Count(b.String(), "CREATE TABLE") != 6 {
		t.Errorf("%v:\n%s", err, b.String())
	}
}

// TestReadBesidePrune: several buckets are removed behind the one that a read is in. It does not take the gap for the end.
func TestReadBesidePrune(t *testing.T) {
	o := fresh(t, node(t), func(o *cassandra.Options) { o.BucketRecords = 3 })
	w := own(t, open(t, o), "w", 1)
	ctx, id := within(t), entity(t)
	for i := range uint64(14) {
		w.append(id, i, fmt.Sprint(i+1))
	}
	if err := w.SaveSnapshot(ctx, w.fence, id, journal.Snapshot{Seq: 13}); err != nil {
		t.Fatal(err)
	}
	reader := open(t, o)
	prune := func() {
		if err := w.Prune(ctx, w.fence, id, 13); err != nil {
			t.Error(err)
		}
	}
	if err := reader.ReplayBeside(ctx, id, prune); err == nil {
		t.Error("what is left of the journal passes for all of it")
	}
	if _, _, err := reader.Read(ctx, id, 0, journal.Chunk{}); !errors.Is(err, journal.ErrPruned) {
		t.Errorf("then: %v", err)
	}
	same(t, "the rest", texts(t, reader, id, 13), "14")
}

// TestReadRepair: rows that must not go back in time are repaired by reads; those of which a query names a part are not.
func TestReadRepair(t *testing.T) {
	c := node(t)
	o := fresh(t, c)
	found := map[string]string{}
	it := raw(t, c, o).Query("SELECT table_name, read_repair FROM system_schema.tables WHERE keyspace_name = ?", o.Keyspace).IterContext(within(t))
	var table, repair string
	for it.Scan(&table, &repair) {
		found[table] = repair
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"owners": "BLOCKING", "leases": "BLOCKING", "meta": "BLOCKING", "events": "NONE", "snapshots": "NONE", "vals": "NONE",
	}
	if !maps.Equal(found, want) {
		t.Errorf("%v, want %v", found, want)
	}
}

func justOpen(ctx context.Context, o cassandra.Options) error {
	s, err := cassandra.Open(ctx, o)
	if err != nil {
		return err
	}
	return s.Close()
}

// TestLocalDomain: LOCAL_QUORUM with LOCAL_SERIAL works as the other pair does.
func TestLocalDomain(t *testing.T) {
	c := node(t)
	o := fresh(t, c, func(o *cassandra.Options) { o.Domain, o.Datacenter = cassandra.Local, c.Datacenter() })
	w := own(t, open(t, o), "w", 1)
	w.append(entity(t), 0, "one")
	same(t, "events", texts(t, open(t, o), entity(t), 0), "one")
}
