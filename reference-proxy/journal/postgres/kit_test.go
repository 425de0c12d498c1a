package postgres

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
)

// again opens another handle on the data of s, as another process would.
func again(t *testing.T, s journal.Store, change func(*Options)) *Store {
	t.Helper()
	o := s.(*Store).options // the kit gives back what it got
	o.AutoMigrate = false
	if change != nil {
		change(&o)
	}
	second, err := Open(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return second
}

// relayed opens a handle whose connections go through a relay.
func relayed(t *testing.T, s journal.Store) (journal.Store, journaltest.Link) {
	t.Helper()
	relay := journaltest.NewRelay(t, fmt.Sprintf("%s:%d", server.Address(), server.Port()))
	return again(t, s, func(o *Options) {
		u, err := url.Parse(o.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.Host = relay.Addr()
		o.URL = u.String()
	}), relay
}

// openVictim opens the schema that where names behind the URL.
func openVictim(where string) (journal.Store, error) {
	address, schema, _ := strings.Cut(where, " ")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return Open(ctx, Options{URL: address, Schema: schema, AutoMigrate: true})
}

func TestStore(t *testing.T) {
	deaths := 0
	journaltest.Run(t,
		func(t *testing.T) journal.Store {
			t.Helper()
			o := fresh(server.URL())
			o.Groups = 2 // beside each other; what is opened again has the default
			s, err := Open(within(t), o)
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		journaltest.Reopen(func(t *testing.T, s journal.Store) journal.Store {
			t.Helper()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return again(t, s, nil)
		}),
		journaltest.Second(func(t *testing.T, s journal.Store) journal.Store { t.Helper(); return again(t, s, nil) }),
		journaltest.Faults(relayed),
		journaltest.Restart(func(t *testing.T) {
			t.Helper()
			// In turn killed and stopped in order.
			if deaths++; deaths%2 == 1 {
				server.Kill()
			}
			if err := server.Restart(within(t)); err != nil {
				t.Fatal(err)
			}
		}),
		journaltest.Crash(func(t *testing.T) string {
			t.Helper()
			o := fresh(database(t))
			return o.URL + " " + o.Schema
		}, openVictim),
		journaltest.Try(journaltest.Effort{Checks: 20, Entities: 200, Rounds: 3}),
	)
}

// TestWithoutPreparedStatements goes through every statement as a pooler needs it that does not
// track prepared ones: arguments are sent with the types that Go's have.
func TestWithoutPreparedStatements(t *testing.T) {
	o := fresh(server.URL())
	o.URL += "&default_query_exec_mode=exec"
	s := open(t, o)
	ctx := within(t)
	f := claim(t, s, 1<<32-1, "me")
	odd := journal.EntityID{Namespace: "\x00\xff", Key: strings.Repeat("\xfe", 1000)}
	want := journal.Entry{Payload: []byte("\x00\xff'\\"), Note: []byte("note\x00")}
	steps := map[string]error{
		"append":   s.Append(ctx, f, odd, 0, []journal.Entry{want, {}, want}),
		"adopt":    s.Adopt(ctx, f, odd, 3),
		"snapshot": s.SaveSnapshot(ctx, f, odd, journal.Snapshot{Seq: 1, Payload: want.Payload}),
		"prune":    s.Prune(ctx, f, odd, 1),
		"renew":    s.RenewLease(ctx, "me", 1),
	}
	for version := range uint64(2) {
		_, steps[fmt.Sprint("put ", version)] = s.PutValue(ctx, f, odd, version, want)
	}
	for name, err := range steps {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	recs, more, err := s.Read(ctx, odd, 1, journal.Chunk{})
	if err != nil || more || len(recs) != 2 || len(recs[0].Payload) != 0 || !bytes.Equal(recs[1].Note, want.Note) {
		t.Errorf("read %+v, %v, %v", recs, more, err)
	}
	if snap, _, err := s.LatestSnapshot(ctx, odd); err != nil || !bytes.Equal(snap.Payload, want.Payload) {
		t.Errorf("snapshot %q, %v", snap.Payload, err)
	}
	if v, err := s.GetValue(ctx, odd); err != nil || v.Version != 2 || !bytes.Equal(v.Payload, want.Payload) {
		t.Errorf("value %+v, %v", v, err)
	}
	if l, alive, err := s.ReadLease(ctx, "me"); err != nil || !alive || l != (journal.Lease{Beat: 2, Length: time.Minute}) {
		t.Errorf("lease %+v, %v, %v", l, alive, err)
	}
	for name, err := range map[string]error{"delete": s.DeleteValue(ctx, f, odd, 2), "release": s.Release(ctx, f)} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.EndLease(ctx, "me", 2); err != nil {
		t.Errorf("end: %v", err)
	}
}
