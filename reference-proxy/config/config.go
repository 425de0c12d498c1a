package config

import (
	"log/slog"
	"time"
)

// Config holds every setting of the proxy. The zero value is not usable: take [Default] or [Parse].
//
// The struct tags are the single source of names, defaults, variables, ranges and help texts: name, default, group and
// help are kong's; environ is the environment variable; min and max are the range, in the setting's own notation; stores
// lists the stores that use the setting, when not all do.
type Config struct {
	ConfigFile string `name:"config" environ:"CLOUDSTATE_CONFIG" group:"general" placeholder:"FILE" help:"YAML file with settings: one line each, the names as here without the dashes. Its values give way to the environment and to the command line."`

	HTTPHost             string        `name:"http-host" default:"0.0.0.0" environ:"HTTP_HOST" group:"clients" placeholder:"HOST" help:"Address on which clients are served (gRPC)."`
	HTTPPort             int           `name:"http-port" default:"9000" environ:"HTTP_PORT" min:"1" max:"65535" group:"clients" placeholder:"PORT" help:"Port on which clients are served."`
	MaxClientMessageSize Size          `name:"max-client-message-size" default:"4032KiB" environ:"CLOUDSTATE_MAX_CLIENT_MESSAGE_SIZE" min:"1KiB" max:"1GiB" group:"clients" placeholder:"SIZE" help:"Longest message taken from a client; a longer one is answered RESOURCE_EXHAUSTED. With the default, its command fits into the 4 MiB that gRPC libraries accept."`
	MaxConcurrentStreams int           `name:"max-concurrent-streams" default:"10000" environ:"CLOUDSTATE_MAX_CONCURRENT_STREAMS" min:"1" max:"1000000" group:"clients" placeholder:"COUNT" help:"Calls that one client connection may have open at a time."`
	CommandTimeout       time.Duration `name:"command-timeout" default:"60s" environ:"CLOUDSTATE_COMMAND_TIMEOUT" min:"10ms" max:"24h" group:"clients" placeholder:"TIME" help:"How long the user function may take to answer one command. After it the caller gets DEADLINE_EXCEEDED and the entity's stream is closed."`
	ShutdownTimeout      time.Duration `name:"shutdown-timeout" default:"10s" environ:"CLOUDSTATE_SHUTDOWN_TIMEOUT" min:"0s" max:"1h" group:"clients" placeholder:"TIME" help:"How long calls in progress may still take when the proxy is asked to stop; 0s ends them at once."`

	ManagementHost string `name:"management-host" default:"0.0.0.0" environ:"MANAGEMENT_HOST" group:"management" placeholder:"HOST" help:"Address of the probes and metrics."`
	ManagementPort int    `name:"management-port" default:"8558" environ:"MANAGEMENT_PORT" min:"0" max:"65535" group:"management" placeholder:"PORT" help:"Port of the probes /live, /alive and /ready, of /metrics, and of /quarantine, the list of damaged entities; 0 turns them off."`

	UserFunctionHost           string        `name:"user-function-host" default:"127.0.0.1" environ:"USER_FUNCTION_HOST" group:"function" placeholder:"HOST" help:"Where the user function listens."`
	UserFunctionPort           int           `name:"user-function-port" default:"8080" environ:"USER_FUNCTION_PORT" min:"1" max:"65535" group:"function" placeholder:"PORT" help:"Port of the user function."`
	UserFunctionConnections    int           `name:"user-function-connections" default:"1024" environ:"CLOUDSTATE_USER_FUNCTION_CONNECTIONS" min:"1" max:"65535" group:"function" placeholder:"COUNT" help:"Most connections to the user function for streams, and as many again for unary calls. More than one is opened only when the user function limits the streams of a connection."`
	MaxUserFunctionMessageSize Size          `name:"max-user-function-message-size" default:"12MiB" environ:"CLOUDSTATE_MAX_USER_FUNCTION_MESSAGE_SIZE" min:"1KiB" max:"2047MiB" group:"function" placeholder:"SIZE" help:"Longest message taken from the user function."`
	StrictVersion              bool          `name:"strict-version" default:"false" environ:"CLOUDSTATE_STRICT_VERSION" negatable:"" group:"function" help:"Refuse user functions that do not report a protocol version (libraries from before 0.2) instead of warning."`
	UnsupportedEntities        Unsupported   `name:"unsupported-entities" default:"refuse" environ:"CLOUDSTATE_UNSUPPORTED_ENTITIES" group:"function" placeholder:"refuse|skip" help:"What to do with a user function that has entities of a kind which this proxy does not serve: refuse it, or skip those entities with a warning."`
	DiscoveryBackoffMin        time.Duration `name:"discovery-backoff-min" default:"1s" environ:"CLOUDSTATE_DISCOVERY_BACKOFF_MIN" min:"1ms" max:"1h" group:"function" placeholder:"TIME" help:"Shortest pause before discovery is tried again."`
	DiscoveryBackoffMax        time.Duration `name:"discovery-backoff-max" default:"10s" environ:"CLOUDSTATE_DISCOVERY_BACKOFF_MAX" min:"1ms" max:"1h" group:"function" placeholder:"TIME" help:"Longest pause before discovery is tried again."`
	DiscoveryBackoffFactor     float64       `name:"discovery-backoff-random-factor" default:"0.2" environ:"CLOUDSTATE_DISCOVERY_BACKOFF_RANDOM_FACTOR" min:"0" max:"1" group:"function" placeholder:"FRACTION" help:"How much longer or shorter, at random, a pause may be: 0.2 is up to 20 percent."`

	Store            Store  `name:"store" default:"embedded" environ:"CLOUDSTATE_STORE" group:"state" placeholder:"embedded|postgres|cassandra|memory|none" help:"Where state is kept: embedded on this machine's disk, in PostgreSQL, in Cassandra, in memory (lost at the end), or none, which serves actions only."`
	DataDir          string `name:"data-dir" default:"./cloudstate-data" environ:"CLOUDSTATE_DATA_DIR" group:"state" placeholder:"DIR" help:"Directory of the embedded store; created when absent."`
	Fsync            bool   `name:"fsync" default:"true" environ:"CLOUDSTATE_FSYNC" negatable:"" group:"state" stores:"embedded" help:"Wait for the disk before a reply leaves. Without it, a power failure loses what was acknowledged last."`
	FreeSpaceReserve Size   `name:"free-space-reserve" default:"256MiB" environ:"CLOUDSTATE_FREE_SPACE_RESERVE" min:"0" max:"1TiB" group:"state" stores:"embedded" placeholder:"SIZE" help:"Disk space that the embedded store leaves free: below it, writes are refused with RESOURCE_EXHAUSTED, reads go on, and nothing is damaged. 0 does not watch: on a full disk the proxy then ends with status 74."`

	LeaseDuration time.Duration `name:"lease-duration" default:"5s" environ:"CLOUDSTATE_LEASE_DURATION" min:"1s" max:"10m" group:"state" placeholder:"TIME" help:"How long a proxy that falls silent keeps its entities: so long, and a little longer, others on the same store wait before they take them over. A proxy that cannot reach its store for this long answers UNAVAILABLE for its entities."`
	PruneEvents   bool          `name:"prune-events" default:"false" environ:"CLOUDSTATE_PRUNE_EVENTS" negatable:"" group:"state" help:"After a snapshot is stored, remove the events that it covers, for good. Without it all events are kept."`

	StoreNamespace    Namespace     `name:"store-namespace" default:"cloudstate" environ:"CLOUDSTATE_STORE_NAMESPACE" group:"stores" placeholder:"NAME" help:"What keeps several installations in one database apart: the schema in PostgreSQL, the keyspace in Cassandra. A letter, then letters, digits and _, small ones, at most 48."`
	StoreAutoMigrate  bool          `name:"store-auto-migrate" default:"false" environ:"CLOUDSTATE_STORE_AUTO_MIGRATE" negatable:"" group:"stores" stores:"postgres,cassandra" help:"Make or upgrade the tables when the proxy starts, instead of with \"store migrate\". It takes the right to create them. In Cassandra not more than one proxy may do so at a time."`
	StoreStartTimeout time.Duration `name:"store-start-timeout" default:"5m" environ:"CLOUDSTATE_STORE_START_TIMEOUT" min:"0s" max:"8760h" group:"stores" placeholder:"TIME" help:"How long a proxy that starts tries a database that is away, has no tables yet or does not let it in. Meanwhile it is live and not ready, and logs why; then it ends with status 1. 0s tries once."`
	StoreTimeout      time.Duration `name:"store-timeout" default:"10s" environ:"CLOUDSTATE_STORE_TIMEOUT" min:"100ms" max:"10m" group:"stores" placeholder:"TIME" help:"How long one read or write may take in the database. A write of several MiB has a second more for each."`

	PostgresURL         URL    `name:"postgres-url" environ:"CLOUDSTATE_POSTGRES_URL" group:"stores" stores:"postgres" placeholder:"URL" help:"Where PostgreSQL is and how to get in: postgres://user:password@host:5432/database?sslmode=verify-full. sslrootcert, sslcert and sslkey name files, as in libpq. Keep a password off the command line, which others can see."`
	PostgresURLFile     string `name:"postgres-url-file" environ:"CLOUDSTATE_POSTGRES_URL_FILE" group:"stores" stores:"postgres" placeholder:"FILE" help:"File that holds the URL instead, such as a mounted secret. Read when the proxy starts."`
	PostgresConnections int    `name:"postgres-connections" default:"10" environ:"CLOUDSTATE_POSTGRES_CONNECTIONS" min:"3" max:"10000" group:"stores" stores:"postgres" placeholder:"COUNT" help:"Most connections to PostgreSQL. Its max_connections has to admit those of all proxies."`

	CassandraHosts        Hosts       `name:"cassandra-hosts" environ:"CLOUDSTATE_CASSANDRA_HOSTS" group:"stores" stores:"cassandra" placeholder:"HOST,..." help:"Some nodes of the cluster to begin with, each host or host:port; the others are learnt."`
	CassandraPort         int         `name:"cassandra-port" default:"9042" environ:"CLOUDSTATE_CASSANDRA_PORT" min:"1" max:"65535" group:"stores" stores:"cassandra" placeholder:"PORT" help:"Port of the nodes that are named without one."`
	CassandraDatacenter   string      `name:"cassandra-datacenter" environ:"CLOUDSTATE_CASSANDRA_DATACENTER" group:"stores" stores:"cassandra" placeholder:"NAME" help:"The datacentre to talk to first; all of them alike unless set."`
	CassandraConsistency  Consistency `name:"cassandra-consistency" default:"quorum" environ:"CLOUDSTATE_CASSANDRA_CONSISTENCY" group:"stores" stores:"cassandra" placeholder:"quorum|local" help:"quorum: proxies may be in any datacentre. local: all are in the one that cassandra-datacenter names, and others have copies only. Chosen when the tables are made."`
	CassandraReplication  Replication `name:"cassandra-replication" default:"3" environ:"CLOUDSTATE_CASSANDRA_REPLICATION" group:"stores" stores:"cassandra" placeholder:"COUNT|MAP" help:"Copies of everything, in each datacentre or the one named, or a replication map as in CQL. Used when the keyspace is made."`
	CassandraConnections  int         `name:"cassandra-connections" default:"2" environ:"CLOUDSTATE_CASSANDRA_CONNECTIONS" min:"1" max:"100" group:"stores" stores:"cassandra" placeholder:"COUNT" help:"Connections to each node."`
	CassandraUsername     string      `name:"cassandra-username" environ:"CLOUDSTATE_CASSANDRA_USERNAME" group:"stores" stores:"cassandra" placeholder:"NAME" help:"User name, where Cassandra asks for one."`
	CassandraPassword     Secret      `name:"cassandra-password" environ:"CLOUDSTATE_CASSANDRA_PASSWORD" group:"stores" stores:"cassandra" placeholder:"PASSWORD" help:"Its password: in the environment or in the settings file, never on the command line, which others can see."`
	CassandraPasswordFile string      `name:"cassandra-password-file" environ:"CLOUDSTATE_CASSANDRA_PASSWORD_FILE" group:"stores" stores:"cassandra" placeholder:"FILE" help:"File that holds the password instead. Read for every connection, so that it can be changed while the proxy runs."`
	CassandraTLS          bool        `name:"cassandra-tls" default:"false" environ:"CLOUDSTATE_CASSANDRA_TLS" negatable:"" group:"stores" stores:"cassandra" help:"Encrypt, and check the nodes' certificates against those that this machine trusts, unless cassandra-tls-ca names others."`
	CassandraTLSCA        string      `name:"cassandra-tls-ca" environ:"CLOUDSTATE_CASSANDRA_TLS_CA" group:"stores" stores:"cassandra" placeholder:"FILE" help:"Certificates (PEM) of the authorities to trust."`
	CassandraTLSCert      string      `name:"cassandra-tls-cert" environ:"CLOUDSTATE_CASSANDRA_TLS_CERT" group:"stores" stores:"cassandra" placeholder:"FILE" help:"Certificate (PEM) to show to nodes that ask for one."`
	CassandraTLSKey       string      `name:"cassandra-tls-key" environ:"CLOUDSTATE_CASSANDRA_TLS_KEY" group:"stores" stores:"cassandra" placeholder:"FILE" help:"Its key (PEM)."`

	PassivationTimeout  time.Duration `name:"passivation-timeout" default:"30s" environ:"CLOUDSTATE_PASSIVATION_TIMEOUT" min:"1ms" max:"8760h" group:"entities" placeholder:"TIME" help:"How long an entity may be idle before it leaves memory, unless the user function sets its own."`
	PassivationGrace    time.Duration `name:"passivation-grace" default:"5s" environ:"CLOUDSTATE_PASSIVATION_GRACE" min:"1ms" max:"1h" group:"entities" placeholder:"TIME" help:"How long the user function may take to end the stream of a passivated entity before it is cut."`
	MaxInstances        int           `name:"max-instances" default:"100000" environ:"CLOUDSTATE_MAX_INSTANCES" min:"1" max:"10000000" group:"entities" placeholder:"COUNT" help:"Entities in memory at a time. A command for one more is answered RESOURCE_EXHAUSTED."`
	MaxQueuedCommands   int           `name:"max-queued-commands" default:"100" environ:"CLOUDSTATE_MAX_QUEUED_COMMANDS" min:"1" max:"1000000" group:"entities" placeholder:"COUNT" help:"Commands that may wait for one entity."`
	MaxInFlightCommands int           `name:"max-in-flight-commands" default:"100000" environ:"CLOUDSTATE_MAX_IN_FLIGHT_COMMANDS" min:"1" max:"10000000" group:"entities" placeholder:"COUNT" help:"Commands accepted and not yet answered, over all entities."`
	MaxSideEffects      int           `name:"max-side-effects" default:"1000" environ:"CLOUDSTATE_MAX_SIDE_EFFECTS" min:"1" max:"100000" group:"entities" placeholder:"COUNT" help:"Asynchronous side effects that may run at a time; further ones are left undone and logged."`
	MaxForwards         int           `name:"max-forwards" default:"32" environ:"CLOUDSTATE_MAX_FORWARDS" min:"16" max:"1000" group:"entities" placeholder:"COUNT" help:"Forwards and side effects that may follow from one call, one from the other, before they are taken for a cycle."`

	IdempotencyWindow int `name:"idempotency-window" default:"1000" environ:"CLOUDSTATE_IDEMPOTENCY_WINDOW" min:"0" max:"100000" group:"entities" placeholder:"COUNT" help:"A command with the header idempotency-key takes effect once, however often it is sent, as long as the entity has made no more than so many events since, or the value was not written so often, and 32 times with a key. It costs nothing until such a command comes. 0 ignores the header."`

	CrashPoint CrashPoint `name:"crash-point" environ:"CLOUDSTATE_CRASH_POINT" group:"general" placeholder:"POINT:N" help:"For tests only: the process ends as if killed when it passes before-persist, after-persist, before-reply, after-reply, before-snapshot or after-snapshot for the Nth time. none: it only says that it could."`

	LogLevel  slog.Level `name:"log-level" default:"info" environ:"CLOUDSTATE_LOG_LEVEL" group:"general" placeholder:"debug|info|warn|error" help:"Least important message that is logged."`
	LogFormat LogFormat  `name:"log-format" default:"text" environ:"CLOUDSTATE_LOG_FORMAT" group:"general" placeholder:"text|json" help:"How messages are logged."`
}

// groups are the headings of the help text, in its order.
var groups = []group{
	{"clients", "Clients"},
	{"function", "User function"},
	{"state", "State"},
	{"stores", "Databases (--store postgres, --store cassandra)"},
	{"entities", "Entities and their limits"},
	{"management", "Management"},
	{"general", "General"},
}

type group struct{ key, title string }
