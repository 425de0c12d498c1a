package cassandra_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	server "github.com/stateful-serverless/cloudstate/fixtures/servers/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
)

// trusting is what a client of c needs.
func trusting(t testing.TB, c *server.Cluster) *tls.Config {
	t.Helper()
	root, err := os.ReadFile(c.RootCertificate())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		t.Fatal("no certificate")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
}

// TestLogin has what keeps a proxy out of a cluster that asks for TLS and a password: each is told with what to do, and without a secret.
func TestLogin(t *testing.T) {
	c := server.Run(t, server.Options{Authentication: true, TLS: true, HeapMB: 320})
	o := fresh(t, c, func(o *cassandra.Options) { o.TLS = trusting(t, c) })
	ctx := within(t)
	session := raw(t, c, o)
	for _, cql := range []string{
		"CREATE ROLE weak WITH PASSWORD = 'weak-secret' AND LOGIN = true",
		"CREATE ROLE reader WITH PASSWORD = 'weak-secret' AND LOGIN = true",
		"GRANT SELECT ON KEYSPACE " + o.Keyspace + " TO reader",
		"CREATE ROLE proxy WITH PASSWORD = 'weak-secret' AND LOGIN = true",
		"CREATE ROLE locked WITH PASSWORD = 'weak-secret' AND LOGIN = false",
	} {
		if err := session.Query(cql).ExecContext(ctx); err != nil {
			t.Fatal(err)
		}
	}
	as := func(name, password string) func(*cassandra.Options) {
		return func(o *cassandra.Options) { o.Username, o.Password = name, password }
	}
	for _, bad := range []struct {
		name    string
		change  func(*cassandra.Options)
		migrate bool
		want    error
		say     []string
	}{
		{"wrong password", as(o.Username, "not-the-secret"), false, cassandra.ErrCredentials, []string{"check user name and password"}},
		{"unknown user", as("nobody", "weak-secret"), false, cassandra.ErrCredentials, []string{"check user name and password"}},
		{"may not log in", as("locked", "weak-secret"), false, cassandra.ErrCredentials, []string{"locked"}},
		{"no user", as("", ""), false, cassandra.ErrCredentials, []string{"check user name and password"}},
		{"no rights", as("weak", "weak-secret"), false, cassandra.ErrRights, []string{"SELECT and MODIFY", "weak"}},
		{"may not make tables", as("reader", "weak-secret"), true, cassandra.ErrRights, []string{"CREATE", "reader"}},
		{"no TLS", func(o *cassandra.Options) { o.TLS, o.Timeout = nil, 5*time.Second }, false, journal.ErrUnavailable, []string{"TLS"}},
		{"untrusted", func(o *cassandra.Options) { o.TLS = &tls.Config{MinVersion: tls.VersionTLS12} }, false, journal.ErrUnavailable, []string{"certificate", "cassandra-tls-ca"}},
	} {
		t.Run(bad.name, func(t *testing.T) {
			o := o
			bad.change(&o)
			var err error
			if bad.migrate {
				o.Keyspace = "another"
				err = cassandra.Migrate(ctx, o)
			} else {
				err = justOpen(ctx, o)
			}
			t.Log(err)
			if !errors.Is(err, bad.want) {
				t.Errorf("want %v", bad.want)
			}
			for _, say := range bad.say {
				if err != nil && !strings.Contains(err.Error(), say) {
					t.Errorf("the message lacks %q", say)
				}
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Error("the message holds the password")
			}
		})
	}
	t.Run("may only read", func(t *testing.T) {
		o := o
		as("reader", "weak-secret")(&o)
		s := open(t, o)
		err := s.BeginLease(ctx, "h", time.Second)
		t.Log(err)
		if !errors.Is(err, journal.ErrUnavailable) || !strings.Contains(err.Error(), "MODIFY") {
			t.Error("want what rights are missing")
		}
	})
	t.Run("rights taken", func(t *testing.T) {
		o := o
		as("proxy", "weak-secret")(&o)
		rightsTaken(t, o, session)
	})
}

// TestTLSOfANodeWithout: the node speaks no TLS.
func TestTLSOfANodeWithout(t *testing.T) {
	o := fresh(t, node(t))
	o.TLS, o.Timeout = &tls.Config{MinVersion: tls.VersionTLS12}, 5*time.Second
	err := justOpen(within(t), o)
	t.Log(err)
	if !errors.Is(err, journal.ErrUnavailable) || !strings.Contains(err.Error(), "TLS") {
		t.Error("want a word about TLS")
	}
}
