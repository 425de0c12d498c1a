package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/memory"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/postgres"
)

// openStore opens the store that the settings name; nil for none. The sizes of its groups go into m, unless that is nil.
func openStore(ctx context.Context, cfg *config.Config, log *slog.Logger, m *metrics) (journal.Store, error) {
	switch cfg.Store {
	case config.StoreMemory:
		log.Warn("state is kept in memory only and is lost when the proxy ends; --store embedded keeps it")
		return memory.New(), nil
	case config.StoreEmbedded:
		return opened(pebble.Open(cfg.DataDir, pebble.Options{
			DangerouslyNoSync: !cfg.Fsync,
			ReserveBytes:      reserve(cfg),
			Logger:            log,
		}))
	case config.StorePostgres:
		o, err := postgresOptions(cfg, log)
		if err != nil {
			return nil, err
		}
		o.ObserveGroup = m.groups("writes")
		return opened(postgres.Open(ctx, o))
	case config.StoreCassandra:
		o, err := cassandraOptions(cfg, log)
		if err != nil {
			return nil, err
		}
		if cfg.StoreAutoMigrate {
			if err := cassandra.Migrate(ctx, o); err != nil {
				return nil, fmt.Errorf("making the tables: %w", err)
			}
		}
		o.ObserveWrites, o.ObserveConfirmation = m.groups("writes"), m.groups("confirmations")
		return opened(cassandra.Open(ctx, o))
	case config.StoreNone:
	}
	return nil, nil
}

// reserve is what the embedded store leaves free. No reserve is asked of it by a negative number: its 0 is its default.
func reserve(cfg *config.Config) int64 {
	if cfg.FreeSpaceReserve == 0 {
		return -1
	}
	return int64(cfg.FreeSpaceReserve)
}

// opened keeps a nil pointer from becoming an interface that is not nil.
func opened[S journal.Store](s S, err error) (journal.Store, error) {
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	return s, nil
}

func postgresOptions(cfg *config.Config, log *slog.Logger) (postgres.Options, error) {
	url := cfg.PostgresURL.Reveal()
	if cfg.PostgresURLFile != "" {
		content, err := os.ReadFile(cfg.PostgresURLFile)
		if err != nil {
			return postgres.Options{}, unreadable("postgres-url-file", err)
		}
		url = strings.TrimSpace(string(content))
	}
	return postgres.Options{
		URL:         url,
		Schema:      string(cfg.StoreNamespace),
		MaxConns:    cfg.PostgresConnections,
		Timeout:     cfg.StoreTimeout,
		AutoMigrate: cfg.StoreAutoMigrate,
		Logger:      log,
	}, nil
}

func cassandraOptions(cfg *config.Config, log *slog.Logger) (cassandra.Options, error) {
	o := cassandra.Options{
		Hosts:        cfg.CassandraHosts.List(),
		Port:         cfg.CassandraPort,
		Keyspace:     string(cfg.StoreNamespace),
		Domain:       cassandra.Domain(cfg.CassandraConsistency),
		Datacenter:   cfg.CassandraDatacenter,
		Username:     cfg.CassandraUsername,
		Password:     cfg.CassandraPassword.Reveal(),
		PasswordFile: cfg.CassandraPasswordFile,
		Connections:  cfg.CassandraConnections,
		Timeout:      cfg.StoreTimeout,
		Replication:  cfg.CassandraReplication.CQL(cfg.CassandraDatacenter),
		Logger:       log,
	}
	if o.PasswordFile != "" {
		if _, err := os.ReadFile(o.PasswordFile); err != nil {
			return o, unreadable("cassandra-password-file", err)
		}
	}
	var err error
	o.TLS, err = cassandraTLS(cfg)
	return o, err
}

// cassandraTLS is nil without TLS. Naming one of its files turns it on.
func cassandraTLS(cfg *config.Config) (*tls.Config, error) {
	if !cfg.CassandraTLS && cfg.CassandraTLSCA == "" && cfg.CassandraTLSCert == "" {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CassandraTLSCA != "" {
		content, err := os.ReadFile(cfg.CassandraTLSCA)
		if err != nil {
			return nil, unreadable("cassandra-tls-ca", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("%w: cassandra-tls-ca: no certificate in %s; it must be PEM", errSetting, cfg.CassandraTLSCA)
		}
	}
	if cfg.CassandraTLSCert != "" {
		pair, err := tls.LoadX509KeyPair(cfg.CassandraTLSCert, cfg.CassandraTLSKey)
		if err != nil {
			return nil, fmt.Errorf("%w: cassandra-tls-cert and cassandra-tls-key: %w", errSetting, err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

func unreadable(setting string, err error) error {
	return fmt.Errorf("%w: %s: %w; check the path, and that the proxy may read it", errSetting, setting, err)
}
