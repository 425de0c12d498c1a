package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Defaults of Options.
const (
	DefaultSchema   = "cloudstate"
	DefaultMaxConns = 10
	DefaultGroups   = 1
	DefaultTimeout  = 15 * time.Second
)

// lifetimeSpread is the part of a connection's life by which it is longer, at random.
const lifetimeSpread = 5

// minConns is one connection each for groups, for reads, and for what must not wait.
const minConns = 3

// Options of Open and Migrate. URL is needed.
type Options struct {
	// URL is where the database is and how to get in: postgres://user:password@host:port/database.
	// sslmode, sslrootcert, sslcert and sslkey say how TLS is used, as in libpq.
	URL string
	// Schema is the schema that holds the tables; "": DefaultSchema. Lower-case letters, digits
	// and underscores, not beginning with a digit, at most 63.
	Schema string
	// MaxConns is the size of the pool of connections, 3 or more; 0: pool_max_conns of the URL,
	// else DefaultMaxConns. The server's max_connections has to admit those of all proxies.
	MaxConns int
	// Groups is how many groups of writes may be under way at once, each on a connection of its own;
	// 0: DefaultGroups. More make smaller groups, and so more work: with 2, commands that 64 callers send on one machine are a tenth fewer.
	Groups int
	// Timeout bounds every call's work with the server, waiting for a connection included, in
	// steps of a millisecond; 0: DefaultTimeout. A write of more than 4 MiB, to which each event adds
	// 128 bytes, has a second more for each MiB beyond.
	Timeout time.Duration
	// AutoMigrate lets Open make or upgrade the schema, which takes the right to create tables.
	AutoMigrate bool
	// ObserveGroup, if set, is told how many writes each group has. It must not block.
	ObserveGroup func(writes int)
	// Logger gets what an operator should know; nil: slog.Default().
	Logger *slog.Logger

	// configure is for tests: it may change how connections are made.
	configure func(*pgxpool.Config)
}

// ErrSettings means that Options cannot be used as they are.
var ErrSettings = errors.New("postgres store: settings")

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// resolve returns o with its defaults filled in, and what its URL says.
func (o Options) resolve() (Options, *pgxpool.Config, error) {
	schema, err := checkSchema(o.Schema)
	if err != nil {
		return o, nil, err
	}
	o.Schema = schema
	if o.MaxConns < 0 || o.Groups < 0 || o.Timeout < 0 {
		return o, nil, fmt.Errorf("%w: pool size, groups and time-out must not be negative", ErrSettings)
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	o.Timeout = max(o.Timeout.Truncate(time.Millisecond), time.Millisecond)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	config, err := parseURL(o.URL)
	if err != nil {
		return o, nil, err
	}
	switch {
	case o.MaxConns > 0:
	case strings.Contains(o.URL, "pool_max_conns="):
		o.MaxConns = int(config.MaxConns)
	default:
		o.MaxConns = DefaultMaxConns
	}
	if o.MaxConns < minConns {
		return o, nil, fmt.Errorf("%w: a pool of %d connections is too small, %d are the least", ErrSettings, o.MaxConns, minConns)
	}
	if o.Groups == 0 {
		o.Groups = DefaultGroups
	}
	if most := o.MaxConns - 2; o.Groups > most {
		return o, nil, fmt.Errorf("%w: %d groups at once leave no connection for reads and leases; a pool of %d admits %d",
			ErrSettings, o.Groups, o.MaxConns, most)
	}
	config.MaxConns = int32(o.MaxConns) //nolint:gosec // as above: a pool of so many connections does not exist
	if o.configure != nil {
		o.configure(config)
	}
	return o, config, nil
}

func checkSchema(schema string) (string, error) {
	if schema == "" {
		return DefaultSchema, nil
	}
	if !schemaName.MatchString(schema) || strings.HasPrefix(schema, "pg_") {
		return "", fmt.Errorf("%w: schema name %q: want lower-case letters, digits and underscores, not beginning with a digit or pg_, at most 63",
			ErrSettings, schema)
	}
	return schema, nil
}

// parseURL reads a URL. Its errors never quote the URL: what cannot be taken apart cannot
// be relied on to keep its password in one place.
func parseURL(address string) (*pgxpool.Config, error) {
	const want = "want postgres://user:password@host:port/database?sslmode=verify-full, with special characters of the password percent-encoded"
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		return nil, fmt.Errorf("%w: the URL does not begin with postgres://; %s", ErrSettings, want)
	}
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		if err := checkFiles(address); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: the URL cannot be used: check its syntax and its sslmode; %s", ErrSettings, want)
	}
	if config.MaxConnLifetimeJitter == 0 {
		// Connections that were made together, after the server was away, must not be renewed together.
		config.MaxConnLifetimeJitter = config.MaxConnLifetime / lifetimeSpread
	}
	asked := config.ConnConfig.ValidateConnect
	config.ConnConfig.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		// On a standby writes fail and reads are behind, whatever the URL's target_session_attrs asks for.
		if err := pgconn.ValidateConnectTargetSessionAttrsPrimary(ctx, conn); err != nil || asked == nil {
			return err
		}
		return asked(ctx, conn)
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "cloudstate-proxy"
	}
	return config, nil
}

// checkFiles tells which of the files that a URL names cannot be read.
func checkFiles(address string) error {
	_, query, _ := strings.Cut(address, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil //nolint:nilerr // the caller says that the URL cannot be used
	}
	for _, name := range []string{"sslrootcert", "sslcert", "sslkey"} {
		path := values.Get(name)
		if path == "" {
			continue
		}
		if _, err := os.ReadFile(path); err != nil {
			return fmt.Errorf("%w: the URL's %s cannot be read: %w", ErrSettings, name, err)
		}
	}
	return nil
}
