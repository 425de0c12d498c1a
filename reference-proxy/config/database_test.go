package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const password = "s3cr3t/pa?ss#wo@rd:%25"

// TestNoSecretIsShown prints settings in every way that anybody might.
func TestNoSecretIsShown(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://me:s3cr3t@db:5432/app?sslmode=require": "postgres://me:***@db:5432/app?sslmode=require",
		"postgres://me@db/app":                             "postgres://me@db/app",
		"postgres://db/app?user=me&password=s3cr3t":        "postgres://db/app?user=me&password=***",
		"postgres://db/app?sslpassword=s3cr3t":             "postgres://db/app?sslpassword=***",
		"postgres://me:" + password + "@db/app":            "***",
		"host=db password=s3cr3t":                          "***", // is no URL, and is refused as such
	} {
		if got := URL(url).String(); got != want {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
	}
	c := Default()
	c.PostgresURL, c.CassandraPassword = "postgres://me:s3cr3t@db/app", "s3cr3t"
	for _, shown := range []string{c.LogValue().String(), fmt.Sprint(*c), fmt.Sprintf("%+v", *c), fmt.Sprintf("%#v", *c), fmt.Sprintf("%q", c.PostgresURL)} {
		if strings.Contains(shown, "s3cr3t") {
			t.Errorf("a password in %s", shown)
		}
	}
	if c.PostgresURL.Reveal() != "postgres://me:s3cr3t@db/app" || c.CassandraPassword.Reveal() != "s3cr3t" {
		t.Error("who needs the secrets does not get them")
	}
}

func TestURLsAreShownWithoutTheirPasswords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := rapid.StringMatching(`(postgres|postgresql|[a-z]{0,5})?(://)?[a-z:/@?&=%]{0,8}`).Draw(t, "before")
		after := rapid.StringMatching(`[a-z:/@?&=%0-9]{0,16}`).Draw(t, "after")
		for _, text := range []string{before + ":S3CR3T@" + after, before + "password=S3CR3T&" + after} {
			if shown := URL(text).String(); strings.Contains(shown, "S3CR3T") {
				t.Fatalf("%s is shown as %s", text, shown)
			}
		}
	})
}

func TestDatabaseNotations(t *testing.T) {
	for text, valid := range map[string]bool{
		"cloudstate": true, "a": true, "tck_1": true, strings.Repeat("a", 48): true,
		"": false, "1a": false, "_a": false, "Shop": false, "a-b": false, "pg_x": false, `a"b`: false, strings.Repeat("a", 49): false,
	} {
		if err := new(Namespace).UnmarshalText([]byte(text)); (err == nil) != valid {
			t.Errorf("namespace %q: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"3": "{'class': 'NetworkTopologyStrategy', 'dc1': 3}", "{'class': 'SimpleStrategy'}": "{'class': 'SimpleStrategy'}",
		"0": "", "101": "", "three": "", "{": "",
	} {
		var r Replication
		err := r.UnmarshalText([]byte(text))
		if (err == nil) != (want != "") || err == nil && r.CQL("dc1") != want {
			t.Errorf("replication %q is %q (%v), want %q", text, r.CQL("dc1"), err, want)
		}
	}
	if got := Replication("2").CQL(""); got != "{'class': 'NetworkTopologyStrategy', 'replication_factor': 2}" {
		t.Errorf("2 copies are %s", got)
	}
	if got := Hosts("a, b:1,[::1]:2").List(); fmt.Sprint(got) != "[a b:1 [::1]:2]" {
		t.Errorf("hosts %q", got)
	}
	if got := Hosts("").List(); got != nil {
		t.Errorf("hosts %q", got)
	}
}

func TestCommands(t *testing.T) {
	for _, c := range []struct {
		args string
		want Command
	}{
		{"", Run},
		{"--store=memory --http-port=1", Run},
		{"--store=none", Run},
		{"store migrate --store=postgres --postgres-url=postgres://db/app", StoreMigrate},
		{"--store=postgres --postgres-url=postgres://db/app store migrate", StoreMigrate},
		{"store print-schema --store=postgres", StorePrintSchema},
		{"store print-schema --store=cassandra", StorePrintSchema},
		{"store export", StoreExport},
		{"store export --data-dir=x --persistence-id=a --entity-id=b%00 --file=f", StoreExport},
		{"store import --store=postgres --postgres-url=postgres://db/app --dry-run", StoreImport},
		{"store check --persistence-id=", StoreCheck},
	} {
		asked, _, err := invoke(t, "", strings.Fields(c.args), nil)
		if err != nil || asked.Command != c.want || len(asked.Warnings) != 0 {
			t.Errorf("%q: %+v (%v), want %s", c.args, asked, err, c.want)
		}
	}
	moved, _, err := invoke(t, "", strings.Fields("store export --persistence-id= --entity-id=b%00 --file=f"), nil)
	if err != nil || *moved.Transfer.PersistenceID != "" || *moved.Transfer.EntityID != "b%00" || moved.Transfer.File != "f" {
		t.Errorf("%+v (%v)", moved, err)
	}
	if all, _, err := invoke(t, "", strings.Fields("store import --dry-run"), nil); err != nil || all.Transfer != (Transfer{DryRun: true}) {
		t.Errorf("%+v (%v)", all, err)
	}
	environ := []string{"CLOUDSTATE_STORE=cassandra", "CLOUDSTATE_CASSANDRA_HOSTS=a", "CLOUDSTATE_CASSANDRA_USERNAME=me", "CLOUDSTATE_CASSANDRA_PASSWORD=" + password}
	asked, _, err := invoke(t, "", []string{"store", "migrate"}, environ)
	if err != nil || asked.Config.CassandraPassword.Reveal() != password {
		t.Errorf("%+v (%v)", asked, err)
	}
}

func TestWhatAStoreNeeds(t *testing.T) {
	for _, c := range []struct{ args, environ, want string }{
		{"store migrate", "", `default: "store migrate" is about the tables of a database, and the store embedded has none: choose --store=postgres`},
		{"store", "", "command line: expected one of \"migrate\", \"print-schema\", \"export\", \"import\", \"check\""},
		{"store export --store=memory", "", `flag --store: "store export" is about what a store keeps, and the store memory keeps nothing: choose --store=embedded`},
		{"store check", "CLOUDSTATE_STORE=none", `"store check" is about what a store keeps, and the store none keeps nothing`},
		{"store import --store=postgres", "", "postgres-url is not set"},
		{"store export --entity-id=x", "", "flag --entity-id: an entity id without a persistence id: say with --persistence-id"},
		{"--store=postgres", "", "flag --store: postgres-url is not set: say where PostgreSQL is with CLOUDSTATE_POSTGRES_URL"},
		{"store migrate --store=postgres", "", "flag --store: postgres-url is not set"},
		{"--store=postgres --postgres-url=x --postgres-url-file=y", "", "flag --postgres-url and flag --postgres-url-file: postgres-url and postgres-url-file are both set: keep one"},
		{"", "CLOUDSTATE_STORE=cassandra", "environment variable CLOUDSTATE_STORE: cassandra-hosts is not set"},
		{"--store=cassandra --cassandra-hosts=a,,b", "", `flag --cassandra-hosts: "a,,b" is no value for cassandra-hosts: list hosts`},
		{"--store=cassandra --cassandra-hosts=a --cassandra-consistency=local", "", "cassandra-datacenter is not set"},
		{"--store=cassandra --cassandra-hosts=a --cassandra-username=me", "", "cassandra-password is not set: give the password of cassandra-username with CLOUDSTATE_CASSANDRA_PASSWORD"},
		{"--store=cassandra --cassandra-hosts=a --cassandra-password-file=f", "", "cassandra-username is not set"},
		{"--store=cassandra --cassandra-hosts=a --cassandra-username=me --cassandra-password-file=f", "CLOUDSTATE_CASSANDRA_PASSWORD=s3cr3t", "are both set"},
		{"--store=cassandra --cassandra-hosts=a --cassandra-tls-key=k", "", "of cassandra-tls-cert and cassandra-tls-key only one is set"},
		{"--cassandra-password=s3cr3t", "", "flag --cassandra-password: every user of this machine can read a password on the command line: give it with CLOUDSTATE_CASSANDRA_PASSWORD"},
		{"--store-namespace=Shop", "", `"Shop" is no value for store-namespace: begin with a letter`},
	} {
		_, _, err := invoke(t, "", strings.Fields(c.args), strings.Fields(c.environ))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s %s:\n got %v\nwant %s", c.environ, c.args, err, c.want)
		}
	}
}

func TestWhatAStoreDoesNotUse(t *testing.T) {
	for _, c := range []struct {
		file, args, environ string
		want                []string // place: problem
	}{
		{args: "--store=postgres --postgres-url=postgres://db/app --data-dir=x"},
		{args: "--postgres-connections=5", want: []string{"flag --postgres-connections: the store embedded does not use postgres-connections"}},
		{args: "--store=memory --no-fsync", want: []string{"flag --fsync: the store memory does not use fsync"}},
		{
			file: "cassandra-hosts: a\n", environ: "CLOUDSTATE_STORE=postgres CLOUDSTATE_POSTGRES_URL=postgres://me:s3cr3t@db/app CLOUDSTATE_CASSANDRA_PASSWORD=s3cr3t",
			want: []string{"$FILE:1: the store postgres does not use cassandra-hosts", "environment variable CLOUDSTATE_CASSANDRA_PASSWORD: the store postgres does not use cassandra-password"},
		},
		{args: "--store=postgres --postgres-url=postgres://me:s3cr3t@db/app", want: []string{"flag --postgres-url: every user of this machine can read a password on the command line"}},
	} {
		asked, path, err := invoke(t, c.file, strings.Fields(c.args), strings.Fields(c.environ))
		if err != nil {
			t.Errorf("%s: %v", c.args, err)
			continue
		}
		var got []string
		for _, w := range asked.Warnings {
			got = append(got, strings.ReplaceAll(w.Place, path, "$FILE")+": "+w.Problem)
			if w.Remedy == "" || strings.Contains(fmt.Sprint(w), "s3cr3t") {
				t.Errorf("%s: warning %+v", c.args, w)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s %s:\n got %q\nwant %q", c.environ, c.args, got, c.want)
		}
	}
}

func TestHelpOfStoreCommands(t *testing.T) {
	for args, says := range map[string][]string{
		"store --help":              {"migrate", "print-schema", "--postgres-url-file=/run/secrets/admin-url", "--store-namespace=NAME"},
		"store migrate --help":      {"cloudstate-proxy store migrate --store=cassandra", "--cassandra-hosts=HOST", "as an init", "[$CLOUDSTATE_POSTGRES_URL]"},
		"store export --help":       {"--persistence-id=ID", "--file=FILE", "%25", "--data-dir", "[$CLOUDSTATE_STORE]"},
		"store import --help":       {"--dry-run", "--file=FILE"},
		"store check --help":        {"--entity-id=ID"},
		"store print-schema --help": {"psql --set ON_ERROR_STOP=1", "cqlsh"},
	} {
		var out bytes.Buffer
		if _, err := Parse(program, strings.Fields(args), nil, &out); !errors.Is(err, ErrShown) {
			t.Errorf("%s: %v", args, err)
		}
		for _, part := range says {
			if !strings.Contains(out.String(), part) {
				t.Errorf("%s does not say %q", args, part)
			}
		}
		for _, part := range []string{"--http-port", "PROGRAM"} {
			if strings.Contains(out.String(), part) {
				t.Errorf("%s says %q", args, part)
			}
		}
	}
}
