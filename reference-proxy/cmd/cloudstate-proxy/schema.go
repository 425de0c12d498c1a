package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/stateful-serverless/cloudstate/reference-proxy/config"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/cassandra"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/postgres"
)

// migrate makes or upgrades the tables of the database that the settings name, and says what it did.
func migrate(ctx context.Context, cfg *config.Config, log *slog.Logger, out io.Writer) error {
	if cfg.Store == config.StoreCassandra {
		o, err := cassandraOptions(cfg, log)
		if err != nil {
			return err
		}
		if err := cassandra.Migrate(ctx, o); err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "keyspace %s has its tables\n", cfg.StoreNamespace)
		return err
	}
	o, err := postgresOptions(cfg, log)
	if err != nil {
		return err
	}
	did, err := postgres.Migrate(ctx, o)
	if err != nil {
		return err
	}
	text := "schema %s: tables of format %[3]d made\n"
	switch {
	case did.From == did.To:
		text = "schema %s has its tables, format %[3]d; nothing to do\n"
	case did.From > 0:
		text = "schema %s upgraded from format %d to %d\n"
	}
	_, err = fmt.Fprintf(out, text, cfg.StoreNamespace, did.From, did.To)
	return err
}

// printSchema writes the statements that make the tables.
func printSchema(cfg *config.Config, out io.Writer) error {
	if cfg.Store == config.StoreCassandra {
		return cassandra.Schema(out, cassandra.Options{
			Keyspace:    string(cfg.StoreNamespace),
			Domain:      cassandra.Domain(cfg.CassandraConsistency),
			Datacenter:  cfg.CassandraDatacenter,
			Replication: cfg.CassandraReplication.CQL(cfg.CassandraDatacenter),
		})
	}
	text, err := postgres.Schema(string(cfg.StoreNamespace))
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}
