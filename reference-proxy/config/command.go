package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Command is what the program is asked to do.
type Command string

// The commands.
const (
	// Run runs a proxy; it needs no word on the command line.
	Run Command = "run"
	// StoreMigrate makes or upgrades the tables of a database.
	StoreMigrate Command = "store migrate"
	// StorePrintSchema prints the statements that make them.
	StorePrintSchema Command = "store print-schema"
	// StoreExport writes entities to a file.
	StoreExport Command = "store export"
	// StoreImport writes the entities of a file into the store.
	StoreImport Command = "store import"
	// StoreCheck reads everything and names what is damaged.
	StoreCheck Command = "store check"
)

// Invocation is what a command line asks for.
type Invocation struct {
	// Command is what to do.
	Command Command
	// Config holds the settings.
	Config *Config
	// Transfer is for StoreExport, StoreImport and StoreCheck.
	Transfer Transfer
	// Warnings are what is probably not meant so, and does no harm by itself.
	Warnings []Warning
}

// Warning is about a setting that was given.
type Warning struct {
	// Place is where, as in [Error].
	Place string
	// Problem says what is odd, Remedy how to mend it.
	Problem, Remedy string
}

// commandLine is what kong fills: the settings, flags that are none, and commands.
type commandLine struct {
	Config
	Version kong.VersionFlag `name:"version" group:"general" help:"Print the version and end."`

	Run   struct{}     `cmd:"" default:"1" hidden:""`
	Store storeCommand `cmd:"" help:"Make the tables in a database; export, import or check what a store holds."`
}

type storeCommand struct {
	Migrate     migrateCommand     `cmd:"" name:"migrate" help:"Make the tables, or upgrade them to this version's format."`
	PrintSchema printSchemaCommand `cmd:"" name:"print-schema" help:"Print the statements that make the tables; connects to nothing."`
	Export      exportCommand      `cmd:"" name:"export" help:"Write what the store holds to a file: all entities, or some."`
	Import      importCommand      `cmd:"" name:"import" help:"Write the entities of an export into the store."`
	Check       checkCommand       `cmd:"" name:"check" help:"Read everything and name what is damaged."`
}

// Help teaches what the commands are for.
func (storeCommand) Help() string {
	return `A proxy with --store postgres or --store cassandra needs tables, and by itself makes none. Either let the program make them,
with credentials that may (the proxy's own need not):

  PROGRAM store migrate --store=postgres --postgres-url-file=/run/secrets/admin-url

or give the statements to whoever looks after the database:

  PROGRAM store print-schema --store=postgres > schema.sql

What a store holds can be written to a file, into another store, and looked through for damage:

  PROGRAM store export --store=postgres --file=backup.jsonl
  PROGRAM store import --store=cassandra --file=backup.jsonl
  PROGRAM store check --store=postgres

Settings are those of the proxy and come from the same places.`
}

type migrateCommand struct{}

// Help teaches when and how to migrate.
func (migrateCommand) Help() string {
	return `Makes the tables in the namespace (--store-namespace: PostgreSQL's schema, Cassandra's keyspace), or upgrades those of an older
version. Nothing is done where nothing is to do, so that it may run before every start, as an init container or a job. A proxy
that waits for its tables goes on by itself when they are there.

PostgreSQL: all of it in one transaction, any number of times at once. The user needs CREATE on the database, or on a
schema made before; the proxy's user needs only USAGE on the schema and SELECT, INSERT, UPDATE, DELETE on its tables.

Cassandra: run it once at a time, and with all nodes up. The user needs CREATE; the proxy's user SELECT and MODIFY on the
keyspace. The keyspace gets the replication that --cassandra-replication says, and belongs to the chosen
--cassandra-consistency for good.

Before an upgrade stop the proxies of the older version. A newer version's tables are refused and left alone.

  PROGRAM store migrate --store=postgres --postgres-url=postgres://admin@db/app
  PROGRAM store migrate --store=cassandra --cassandra-hosts=cassandra-1,cassandra-2

Exit status: 0 the tables are there, 1 they are not, and what to do about it is on standard error, 2 a setting is wrong.`
}

type printSchemaCommand struct{}

// Help teaches what to do with what is printed.
func (printSchemaCommand) Help() string {
	return `Prints what "store migrate" does to an empty namespace, for a database whose administrators do it themselves. The rights that the
proxy's user needs are in its comments.

  PROGRAM store print-schema --store=postgres --store-namespace=shop | psql --set ON_ERROR_STOP=1 postgres://admin@db/app
  PROGRAM store print-schema --store=cassandra --cassandra-replication=3 | cqlsh cassandra-1`
}

// needed looks for what the command needs of the chosen store's settings.
func (p *parser) needed(command Command, c *Config) error {
	switch {
	case command == Run && (c.Store != StorePostgres && c.Store != StoreCassandra):
		return nil
	case c.Store != StorePostgres && c.Store != StoreCassandra && (command == StoreExport || command == StoreImport || command == StoreCheck):
		return p.neededForData(command, c)
	case c.Store == StorePostgres:
		return p.neededByPostgres(command, c)
	case c.Store == StoreCassandra:
		return p.neededByCassandra(command, c)
	default:
		return &Error{
			Place: p.place("store"), Problem: fmt.Sprintf("%q is about the tables of a database, and the store %s has none", command, c.Store),
			Remedy: "choose --store=postgres or --store=cassandra (CLOUDSTATE_STORE)",
		}
	}
}

func (p *parser) neededByPostgres(command Command, c *Config) error {
	switch {
	case c.PostgresURL != "" && c.PostgresURLFile != "":
		return p.both("postgres-url", "postgres-url-file")
	case command != StorePrintSchema && c.PostgresURL == "" && c.PostgresURLFile == "":
		return p.missing("postgres-url", "say where PostgreSQL is with CLOUDSTATE_POSTGRES_URL, or with a file that --postgres-url-file names, "+
			"such as postgres://user:password@host:5432/database?sslmode=verify-full")
	}
	return nil
}

func (p *parser) neededByCassandra(command Command, c *Config) error {
	switch {
	case command != StorePrintSchema && c.CassandraHosts == "":
		return p.missing("cassandra-hosts", "name some nodes with --cassandra-hosts (CLOUDSTATE_CASSANDRA_HOSTS), such as cassandra-1,cassandra-2")
	case c.CassandraConsistency == ConsistencyLocal && c.CassandraDatacenter == "":
		return p.missing("cassandra-datacenter", "with the consistency local, name the datacentre with --cassandra-datacenter (CLOUDSTATE_CASSANDRA_DATACENTER)")
	case c.CassandraPassword != "" && c.CassandraPasswordFile != "":
		return p.both("cassandra-password", "cassandra-password-file")
	case c.CassandraUsername != "" && c.CassandraPassword == "" && c.CassandraPasswordFile == "":
		return p.missing("cassandra-password", "give the password of cassandra-username with CLOUDSTATE_CASSANDRA_PASSWORD, or with a file that --cassandra-password-file names")
	case c.CassandraUsername == "" && (c.CassandraPassword != "" || c.CassandraPasswordFile != ""):
		return p.missing("cassandra-username", "say whose password it is with --cassandra-username (CLOUDSTATE_CASSANDRA_USERNAME)")
	case (c.CassandraTLSCert == "") != (c.CassandraTLSKey == ""):
		return &Error{
			Place: p.place("store"), Problem: "of cassandra-tls-cert and cassandra-tls-key only one is set",
			Remedy: "a certificate is of use with its key only: set both, or none",
		}
	}
	return nil
}

func (p *parser) missing(name, remedy string) error {
	return &Error{Place: p.place("store"), Problem: name + " is not set", Remedy: remedy}
}

func (p *parser) both(one, other string) error {
	return &Error{Place: p.place(one) + " and " + p.place(other), Problem: one + " and " + other + " are both set", Remedy: "keep one of them"}
}

// warnings finds settings that were given in vain or where others see them.
func (p *parser) warnings(c *Config) []Warning {
	var list []Warning
	for _, s := range settings {
		given, set := p.places[s.name]
		used := s.field.Tag.Get("stores")
		if set && used != "" && !slices.Contains(strings.Split(used, ","), string(c.Store)) {
			list = append(list, Warning{
				Place: given.place, Problem: fmt.Sprintf("the store %s does not use %s", c.Store, s.name),
				Remedy: "remove it, or choose another store with --store (" + strings.ReplaceAll(used, ",", ", ") + ")",
			})
		}
	}
	if c.PostgresURL.holdsPassword() && strings.HasPrefix(p.place("postgres-url"), "flag ") {
		list = append(list, Warning{
			Place: p.place("postgres-url"), Problem: "every user of this machine can read a password on the command line",
			Remedy: "give the URL with CLOUDSTATE_POSTGRES_URL or --postgres-url-file",
		})
	}
	return list
}
