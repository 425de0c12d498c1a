package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// ErrCredentials says that the server wants a user name and password, or other ones.
var ErrCredentials = errors.New("cassandra: refused to log in")

// ErrRights says that the user may not do what the store needs.
var ErrRights = errors.New("cassandra: no rights")

// reconnectInterval is how often nodes that are down are tried.
const reconnectInterval = time.Second

func (o Options) quorum() gocql.Consistency {
	if o.Domain == Local {
		return gocql.LocalQuorum
	}
	return gocql.Quorum
}

func (o Options) serial() gocql.Consistency {
	if o.Domain == Local {
		return gocql.LocalSerial
	}
	return gocql.Serial
}

// connect opens a session. Nothing in it repeats a statement by itself: no retry policy, no
// speculative execution. What may be repeated is decided in write.go.
func connect(ctx context.Context, o Options, keyspace string) (*gocql.Session, error) {
	if len(o.Hosts) == 0 {
		return nil, fmt.Errorf("%w: no hosts", ErrOptions)
	}
	cfg := gocql.NewCluster(o.Hosts...)
	cfg.Port = o.Port
	cfg.Keyspace = keyspace
	cfg.NumConns = o.Connections
	cfg.Timeout = o.Timeout
	cfg.ConnectTimeout = o.Timeout
	cfg.Consistency = o.quorum()
	cfg.SerialConsistency = o.serial()
	cfg.DefaultTimestamp = false // time stamps are in the statements
	// The driver would hold each request back for 200 µs, a timer's tick of up to 1 ms, for others to go with it; what can go
	// together has been put together before: see together.go and confirm.go.
	cfg.WriteCoalesceWaitTime = 0
	cfg.ReconnectInterval = reconnectInterval
	cfg.Metadata.CacheMode = gocql.KeyspaceOnly // enough for token-aware routing
	cfg.Logger = driverLog{o.Logger}
	var to gocql.Dialer = &net.Dialer{Timeout: o.Timeout, KeepAlive: cfg.SocketKeepalive}
	if o.Dial != nil {
		to = dialer(o.Dial)
	}
	cfg.Dialer = newDials(to)
	fallback := gocql.RoundRobinHostPolicy()
	if o.Datacenter != "" {
		fallback = gocql.DCAwareRoundRobinPolicy(o.Datacenter)
	}
	if o.Domain == Local {
		// A coordinator in another datacentre would take its own for the local one.
		cfg.HostFilter = gocql.DataCenterHostFilter(o.Datacenter)
	}
	cfg.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(fallback, gocql.ShuffleReplicas())
	if o.Username != "" {
		cfg.AuthProvider = o.authenticator
	}
	if o.TLS != nil {
		cfg.SslOpts = &gocql.SslOptions{Config: o.TLS.Clone(), EnableHostVerification: !o.TLS.InsecureSkipVerify}
	}
	type opened struct {
		session *gocql.Session
		err     error
	}
	done := make(chan opened, 1)
	go func() { // the driver's dialling knows no context
		session, err := cfg.CreateSession()
		done <- opened{session, err}
	}()
	select {
	case r := <-done:
		if errors.Is(r.err, gocql.ErrNoConnectionsStarted) && keyspace != "" {
			return nil, whyNoConnection(ctx, o, r.err)
		}
		if r.err != nil {
			return nil, explain(o, "connect", r.err)
		}
		return r.session, nil
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				closeSession(r.session)
			}
		}()
		return nil, ctx.Err()
	}
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// DialContext implements gocql.Dialer.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}

// whyNoConnection tells why nodes that answer let nobody use the keyspace: the driver does not
// say. Most often there is no such keyspace.
func whyNoConnection(ctx context.Context, o Options, err error) error {
	session, again := connect(ctx, o, "")
	if again != nil {
		return again
	}
	defer closeSession(session)
	if _, again := readMeta(ctx, session, o); again != nil {
		return again
	}
	return explain(o, "connect", err)
}

func (o Options) authenticator(*gocql.HostInfo) (gocql.Authenticator, error) {
	password := o.Password
	if o.PasswordFile != "" {
		b, err := os.ReadFile(o.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCredentials, err)
		}
		password = strings.TrimSpace(string(b))
	}
	return gocql.PasswordAuthenticator{Username: o.Username, Password: password}, nil
}

// explain turns the driver's errors into ones that say how to mend what is wrong. None
// contains a password.
func explain(o Options, doing string, err error) error {
	var invalid *gocql.RequestErrInvalid
	text := err.Error()
	at := fmt.Sprintf("%s (keyspace %s at %s)", doing, o.Keyspace, strings.Join(o.Hosts, ", "))
	switch {
	case errors.As(err, new(*gocql.RequestErrCredentials)) || strings.Contains(text, "username") && strings.Contains(text, "password") ||
		strings.Contains(text, "authentication required"):
		return fmt.Errorf("%w: %s: check user name and password: %w", ErrCredentials, at, err)
	case strings.Contains(text, "not permitted to log in"):
		return fmt.Errorf("%w: %s: %w; ALTER ROLE ... WITH LOGIN = true, or give another user", ErrCredentials, at, err)
	case errors.As(err, new(*gocql.RequestErrUnauthorized)):
		return fmt.Errorf("%w: %s: %w; the store needs SELECT and MODIFY on its keyspace, and `store migrate` CREATE", ErrRights, at, err)
	case errors.As(err, &invalid) && (strings.Contains(text, "does not exist") || strings.Contains(text, "unconfigured table")) || strings.Contains(text, "does not exist"),
		errors.Is(err, gocql.ErrKeyspaceDoesNotExist):
		return fmt.Errorf("%w: %s: %w; create it with `cloudstate-proxy store migrate`, or by hand from `store print-schema`", journal.ErrSchema, at, err)
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case invalid != nil:
		return fmt.Errorf("%s: %w", at, err)
	default:
		return fmt.Errorf("%w: %s: %w%s", journal.ErrUnavailable, at, err, o.aboutTLS(err))
	}
}

// aboutTLS is what an error of the connection says about TLS, as words to go on with; "" for nothing.
func (o Options) aboutTLS(err error) string {
	text := err.Error()
	switch {
	case o.TLS == nil && (errors.Is(err, io.EOF) || strings.Contains(text, "connection reset") || strings.HasSuffix(text, "EOF")):
		return "; the node ended the connection: if it admits clients with TLS only, turn that on (--cassandra-tls)"
	case strings.Contains(text, "does not look like a TLS handshake"):
		return "; the node speaks no TLS: have it do so, or turn TLS off here (--no-cassandra-tls)"
	case strings.Contains(text, "tls: failed to verify certificate"):
		return "; name the authority that signed the node's certificate (--cassandra-tls-ca), and the node by a name or address that is in it"
	case strings.Contains(text, "remote error: tls:"):
		return "; the node refused the TLS of this side: if it asks for a certificate, give one (--cassandra-tls-cert, --cassandra-tls-key)"
	}
	return ""
}

// driverLog passes on what the driver reports.
type driverLog struct{ to *slog.Logger }

func (l driverLog) log(level slog.Level, msg string, fields []gocql.LogField) {
	if l.to == nil || !l.to.Enabled(context.Background(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, len(fields)+1)
	attrs = append(attrs, slog.String("says", msg))
	for _, f := range fields {
		attrs = append(attrs, slog.String(f.Name, f.Value.String()))
	}
	l.to.LogAttrs(context.Background(), level, "the driver of Cassandra reports", attrs...)
}

func (l driverLog) Error(msg string, fields ...gocql.LogField)   { l.log(slog.LevelWarn, msg, fields) }
func (l driverLog) Warning(msg string, fields ...gocql.LogField) { l.log(slog.LevelWarn, msg, fields) }
func (l driverLog) Info(msg string, fields ...gocql.LogField)    { l.log(slog.LevelDebug, msg, fields) }
func (l driverLog) Debug(msg string, fields ...gocql.LogField)   { l.log(slog.LevelDebug, msg, fields) }

// closePatience is how long a session is waited for while it closes.
const closePatience = 5 * time.Second

// closeSession ends a session. The driver's Close never returns when its control connection is on the way
// back to a node just then: that waits for a refresh of the schema, whose worker Close has ended (v2.1.2:
// refreshDebouncer.refreshNow after stop). By then the connections that carry requests are closed, so
// the rest is left to itself.
func closeSession(session *gocql.Session) {
	closed := make(chan struct{})
	go func() {
		session.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closePatience):
	}
}
