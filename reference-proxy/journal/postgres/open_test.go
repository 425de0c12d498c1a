package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	servers "github.com/stateful-serverless/cloudstate/fixtures/servers/postgres"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// secret must turn up in no message.
const secret = "s3cr3t/pa?ss#wo@rd:%25"

func secretURL(t testing.TB, address, user, database string) string {
	t.Helper()
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, secret), Host: address, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

func TestClearErrors(t *testing.T) {
	admin := connect(t, database(t))
	database := ask[string](t, admin, "SELECT current_database()")
	address := fmt.Sprintf("%s:%d", server.Address(), server.Port())
	for _, sql := range []string{
		"CREATE ROLE worker LOGIN PASSWORD '" + secret + "'",
		"CREATE ROLE locked NOLOGIN PASSWORD '" + secret + "'",
		"CREATE SCHEMA taken",
		"GRANT USAGE ON SCHEMA taken TO worker",
	} {
		execSQL(t, admin, sql)
	}
	t.Cleanup(func() {
		for _, sql := range []string{"DROP OWNED BY worker", "DROP ROLE worker", "DROP ROLE locked"} {
			execSQL(t, admin, sql)
		}
	})
	const nobody = "127.0.0.1:1" // no test gets this port
	worker := secretURL(t, address, "worker", database)
	for _, c := range []struct {
		name    string
		options Options
		want    error
		say     []string
	}{
		{"no URL", Options{}, ErrSettings, []string{"postgres://"}},
		{"another scheme", Options{URL: "mysql://u:" + secret + "@h/d"}, ErrSettings, []string{"postgres://"}},
		{"not encoded", Options{URL: "postgres://u:" + secret + "@h/d"}, ErrSettings, []string{"percent-encoded"}},
		{"keywords", Options{URL: "host=h password=" + secret}, ErrSettings, []string{"postgres://"}},
		{"bad sslmode", Options{URL: strings.Replace(worker, "disable", "perhaps", 1)}, ErrSettings, []string{"sslmode"}},
		{"no such certificate", Options{URL: strings.Replace(worker, "disable", "verify-full&sslrootcert=/no/such/file", 1)}, ErrSettings, []string{"sslrootcert", "/no/such/file"}},
		{"schema name", Options{URL: worker, Schema: `x"; DROP`}, ErrSettings, []string{"schema name"}},
		{"system schema", Options{URL: worker, Schema: "pg_catalog"}, ErrSettings, []string{"pg_"}},
		{"small pool", Options{URL: worker, MaxConns: 2}, ErrSettings, []string{"3 are the least"}},
		{"small pool in the URL", Options{URL: worker + "&pool_max_conns=1"}, ErrSettings, []string{"3 are the least"}},
		{"too many groups", Options{URL: worker, MaxConns: 5, Groups: 4}, ErrSettings, []string{"admits 3"}},
		{"negative", Options{URL: worker, Timeout: -1}, ErrSettings, []string{"negative"}},
		{"nobody there", Options{URL: secretURL(t, nobody, "worker", database)}, journal.ErrUnavailable, []string{nobody, "refused"}},
		{"wrong password", Options{URL: strings.Replace(worker, "s3cr3t", "s3cr3t2", 1)}, journal.ErrUnavailable, []string{address, `"worker"`, "correct the user or the password"}},
		{"no such user", Options{URL: secretURL(t, address, "stranger", database)}, journal.ErrUnavailable, []string{`"stranger"`, "correct the user or the password"}},
		{"no such database", Options{URL: secretURL(t, address, "worker", "nowhere")}, journal.ErrUnavailable, []string{`"nowhere"`, "create the database"}},
		{"may not log in", Options{URL: secretURL(t, address, "locked", database)}, journal.ErrUnavailable, []string{"does not admit"}},
		{"TLS of a server without", Options{URL: strings.Replace(worker, "disable", "require", 1)}, journal.ErrUnavailable, []string{"refused TLS", "sslmode=disable"}},
		{"no schema", Options{URL: worker}, journal.ErrSchema, []string{"store migrate", "print-schema", `"cloudstate"`}},
		{"may not make a schema", Options{URL: worker, AutoMigrate: true}, journal.ErrUnavailable, []string{"permission denied", "print-schema"}},
		{"may not make a table", Options{URL: worker, Schema: "taken", AutoMigrate: true}, journal.ErrUnavailable, []string{"permission denied", "print-schema"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := openOnly(within(t), c.options)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			for _, say := range c.say {
				if !strings.Contains(err.Error(), say) {
					t.Errorf("the message lacks %q: %v", say, err)
				}
			}
			if strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "wo@rd") {
				t.Errorf("the message holds the password: %v", err)
			}
		})
	}
}

// TestStandby: a server that follows another one is refused, also where the URL asks for such a one.
func TestStandby(t *testing.T) {
	own := servers.Run(t, servers.Options{})
	o := fresh(own.URL())
	if err := migrateOnly(within(t), o); err != nil {
		t.Fatal(err)
	}
	o.AutoMigrate = false
	open(t, o)
	data := ask[string](t, connect(t, own.URL()), "SHOW data_directory")
	if err := own.Stop(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o666); err != nil { //nolint:gosec // the server, another user, has to open it
		t.Fatal(err)
	}
	if err := own.Restart(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, attrs := range []string{"", "any", "primary", "read-write", "prefer-standby", "standby", "read-only"} {
		there := o
		if attrs != "" {
			there.URL += "&target_session_attrs=" + attrs
		}
		if err := openOnly(within(t), there); !errors.Is(err, journal.ErrUnavailable) || !strings.Contains(err.Error(), "standby") {
			t.Errorf("target_session_attrs %q: %v", attrs, err)
		}
	}
}

// TestRights: each right that is missing is named, and with what print-schema says they suffice.
func TestRights(t *testing.T) {
	o := fresh(database(t))
	if err := migrateOnly(within(t), o); err != nil {
		t.Fatal(err)
	}
	admin := connect(t, o.URL)
	execSQL(t, admin, "CREATE ROLE clerk LOGIN PASSWORD '"+secret+"'")
	t.Cleanup(func() {
		execSQL(t, admin, "DROP OWNED BY clerk")
		execSQL(t, admin, "DROP ROLE clerk")
	})
	o.URL = secretURL(t, fmt.Sprintf("%s:%d", server.Address(), server.Port()), "clerk", ask[string](t, admin, "SELECT current_database()"))
	o.AutoMigrate = false
	refused := func(say ...string) {
		t.Helper()
		err := openOnly(within(t), o)
		if !errors.Is(err, journal.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		for _, say := range append(say, "GRANT") {
			if !strings.Contains(err.Error(), say) {
				t.Errorf("the message lacks %q: %v", say, err)
			}
		}
	}
	refused("permission denied for schema")
	execSQL(t, admin, "GRANT USAGE ON SCHEMA "+o.Schema+" TO clerk")
	refused("permission denied for table format")
	execSQL(t, admin, "GRANT SELECT ON ALL TABLES IN SCHEMA "+o.Schema+" TO clerk")
	refused("INSERT on events", "DELETE on vals", "UPDATE on leases")
	execSQL(t, admin, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "+o.Schema+" TO clerk")
	s := open(t, o)
	ctx := within(t)
	f := claim(t, s, 1, "me")
	if err := s.Append(ctx, f, cart, 0, entries("one", "two")); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveSnapshot(ctx, f, cart, journal.Snapshot{Seq: 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(ctx, f, cart, 1); err != nil {
		t.Fatal(err)
	}
	// Taken away later.
	execSQL(t, admin, "REVOKE INSERT ON "+o.Schema+".events FROM clerk")
	err := s.Append(ctx, f, cart, 2, entries("three"))
	if !errors.Is(err, journal.ErrUnavailable) || !journal.NotWritten(err) || !strings.Contains(err.Error(), "GRANT") {
		t.Fatalf("a write without the right to: %v", err)
	}
}

func TestTLS(t *testing.T) {
	secure := servers.Run(t, servers.Options{TLS: true})
	s := open(t, fresh(secure.URL()))
	f := claim(t, s, 1, "me")
	if err := s.Append(within(t), f, cart, 0, entries("one")); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, secure.URL())
	if n := ask[int](t, conn, "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE NOT ssl AND client_addr IS NOT NULL"); n != 0 {
		t.Errorf("%d connections without TLS", n)
	}
	plain := strings.Replace(secure.URL(), "verify-full", "disable", 1)
	if err := openOnly(within(t), fresh(plain)); !errors.Is(err, journal.ErrUnavailable) || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("without TLS: %v", err)
	}
	untrusted := strings.Replace(secure.URL(), "sslrootcert=", "other=", 1)
	if err := openOnly(within(t), fresh(untrusted)); !errors.Is(err, journal.ErrUnavailable) || !strings.Contains(err.Error(), "sslrootcert") {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
}

func TestFsyncOffIsWarnedAbout(t *testing.T) {
	careless := servers.Run(t, servers.Options{Settings: map[string]string{"fsync": "off"}})
	var log bytes.Buffer
	o := fresh(careless.URL())
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	open(t, o)
	if !strings.Contains(log.String(), "fsync") {
		t.Errorf("logged: %q", log.String())
	}
}

// TestReadOnlyDatabase: writes are refused with a clear word, reads go on.
func TestReadOnlyDatabase(t *testing.T) {
	o := fresh(database(t))
	s := open(t, o)
	f := claim(t, s, 1, "me")
	ctx := within(t)
	if err := s.Append(ctx, f, cart, 0, entries("one")); err != nil {
		t.Fatal(err)
	}
	admin := connect(t, o.URL)
	execSQL(t, admin, "ALTER DATABASE "+ask[string](t, admin, "SELECT current_database()")+" SET default_transaction_read_only TO on")
	readOnly := clone(t, s)
	err := readOnly.Append(ctx, f, cart, 1, entries("two"))
	if !errors.Is(err, journal.ErrUnavailable) || !journal.NotWritten(err) || !strings.Contains(err.Error(), "read only") {
		t.Fatalf("a write to a read-only database: %v", err)
	}
	if recs, _, err := readOnly.Read(ctx, cart, 0, journal.Chunk{}); err != nil || len(recs) != 1 {
		t.Fatalf("%d events, %v", len(recs), err)
	}
}

// TestServerSettings: durability and isolation are what we need, whatever the server's defaults are.
func TestServerSettings(t *testing.T) {
	for _, c := range []struct{ set, want, lazily string }{
		{"off", "on", "off"},
		{"on", "on", "off"},
		{"local", "local", "off"},
		{"remote_apply", "remote_apply", "off"},
	} {
		t.Run(c.set, func(t *testing.T) {
			o := fresh(database(t))
			admin := connect(t, o.URL)
			name := ask[string](t, admin, "SELECT current_database()")
			for _, set := range []string{"synchronous_commit TO " + c.set, "default_transaction_isolation TO serializable", "statement_timeout TO '1h'"} {
				execSQL(t, admin, "ALTER DATABASE "+name+" SET "+set)
			}
			s := open(t, o)
			execSQL(t, admin, "SET search_path TO "+o.Schema)
			execSQL(t, admin, "CREATE TABLE seen (what text)")
			execSQL(t, admin, fmt.Sprintf(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				INSERT INTO %s.seen VALUES (concat_ws(' ', TG_TABLE_NAME, current_setting('synchronous_commit'), current_setting('transaction_isolation'),
					current_setting('lock_timeout')));
				RETURN NEW; END $$`, o.Schema))
			for _, table := range []string{"events", "vals", "snapshots", "owners", "leases"} {
				execSQL(t, admin, "CREATE TRIGGER note BEFORE INSERT ON "+table+" FOR EACH ROW EXECUTE FUNCTION note()")
			}
			f := claim(t, s, 1, "me")
			ctx := within(t)
			_, err := s.PutValue(ctx, f, cart, 0, entries("x")[0])
			if err := errors.Join(err, s.Append(ctx, f, cart, 0, entries("x")), s.SaveSnapshot(ctx, f, cart, journal.Snapshot{Seq: 1})); err != nil {
				t.Fatal(err)
			}
			got := ask[string](t, admin, "SELECT string_agg(DISTINCT what, ', ' ORDER BY what) FROM seen")
			durable := c.want + " read committed"
			want := fmt.Sprintf("events %[1]s 15s, leases %[1]s 15s, owners %[1]s 5s, snapshots %[2]s read committed 15s, vals %[1]s 15s", durable, c.lazily)
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if left := ask[string](t, connect(t, o.URL), "SHOW synchronous_commit"); left != c.set {
				t.Errorf("the database's setting became %s", left)
			}
		})
	}
}

// TestPaused: a server that does not answer costs a caller the time-out, and no more; then it goes on.
func TestPaused(t *testing.T) {
	own := servers.Run(t, servers.Options{})
	o := fresh(own.URL())
	s := open(t, o)
	f := claim(t, s, 1, "me")
	ctx := within(t)
	if err := s.Append(ctx, f, cart, 0, entries("one")); err != nil {
		t.Fatal(err)
	}
	s.options.Timeout = time.Second
	if err := own.Pause(); err != nil {
		t.Fatal(err)
	}
	err := s.Append(ctx, f, cart, 1, entries("two"))
	if journal.NotWritten(err) || !errors.Is(err, journal.ErrUnknownOutcome) {
		t.Errorf("an append that was sent to a paused server: %v", err)
	}
	if _, _, err := s.Read(ctx, cart, 0, journal.Chunk{}); !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("a read of a paused server: %v", err)
	}
	hurried, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := s.GetValue(hurried, cart); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a read in a hurry: %v", err)
	}
	if err := own.Resume(); err != nil {
		t.Fatal(err)
	}
	for {
		recs, _, err := s.Read(ctx, cart, 0, journal.Chunk{})
		if err == nil {
			err = s.Append(ctx, f, cart, uint64(len(recs)), entries("three"))
		}
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func FuzzURLNeverLeaks(f *testing.F) {
	for _, seed := range []string{"@h/d", "@[::1/d", "/x@h", "?sslmode=x", "@h:99999/d", "%zz@h", "@h,g:1/d?sslrootcert=/x", "\x00@h/d", "@h/d?pool_max_conns=x"} {
		f.Add("postgres://user:", seed)
	}
	f.Add("host=h password=", " user=x")
	f.Add("postgres://h/d?password=", "&sslmode=bad")
	f.Fuzz(func(t *testing.T, before, after string) {
		const hidden = "hunter2hunter2"
		if _, _, err := (Options{URL: before + hidden + after}).resolve(); err != nil && strings.Contains(err.Error(), hidden) {
			t.Errorf("%q: %v", before+hidden+after, err)
		}
	})
}
