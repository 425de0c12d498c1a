package cassandra

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Domain is where reads and writes meet and conditions are decided: the pair of a
// quorum and a serial consistency. Only pairs that overlap can be chosen, and all who use a
// keyspace use the same one: Migrate writes it down, Open holds it against what is there.
type Domain string

const (
	// Everywhere is QUORUM with SERIAL: owners may be in any datacentre.
	Everywhere Domain = "quorum"
	// Local is LOCAL_QUORUM with LOCAL_SERIAL in one datacentre: every proxy that uses
	// the keyspace must be configured for that datacentre. Others have copies only.
	Local Domain = "local"
)

// Options say how to reach the cluster and how to use it. Zero fields have defaults.
type Options struct {
	// Hosts are addresses to begin with, host or host:port; the others are learnt. At
	// least one.
	Hosts []string
	// Port is where hosts without one listen; 9042 by default.
	Port int
	// Keyspace holds the tables; "cloudstate" by default. Letters, digits and _, at most
	// 48 of them.
	Keyspace string
	// Domain is Everywhere by default.
	Domain Domain
	// Datacenter is the one to talk to first, and with Local the one that decides.
	Datacenter string
	// Username and Password are given to a server that asks for them.
	Username, Password string
	// PasswordFile, if set, is read instead of Password whenever a connection is made, so
	// that a password may be changed while the proxy runs. White space around it is cut.
	PasswordFile string
	// TLS encrypts the connections.
	TLS *tls.Config
	// Dial makes the connections, through a tunnel for instance; a plain TCP dialler by
	// default. It gets the address of the node.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Connections to each host; 2 by default.
	Connections int
	// Timeout bounds one call of the store, with all that it asks of the cluster; 10 s by
	// default.
	Timeout time.Duration
	// Replication is the keyspace's, as CQL has it, for Migrate and Schema: by default
	// {'class': 'NetworkTopologyStrategy', 'replication_factor': 3}, or, with Datacenter,
	// 3 copies in that one.
	Replication string
	// BucketRecords and BucketBytes bound a partition of events; 10,000 appends and 32 MiB
	// by default. A new value holds for what is written from then on.
	BucketRecords, BucketBytes uint64
	// Entities is how many entities' positions are kept in memory; 65,536 by default,
	// about 400 bytes each.
	Entities int
	// ObserveWrites and ObserveConfirmation, if set, are told how many small writes share each request, and for how many writes each
	// confirmation is. They must not block.
	ObserveWrites, ObserveConfirmation func(writes int)
	// Logger gets what the driver reports; nothing is logged by default.
	Logger *slog.Logger
}

const (
	defaultPort          = 9042
	defaultKeyspace      = "cloudstate"
	defaultConnections   = 2
	defaultTimeout       = 10 * time.Second
	defaultBucketRecords = 10_000
	defaultBucketBytes   = 32 << 20
	defaultEntities      = 1 << 16
)

// ErrOptions says that options cannot be used.
var ErrOptions = errors.New("cassandra: options")

var (
	keyspaceName   = regexp.MustCompile(`^[A-Za-z0-9_]{1,48}$`)
	datacenterName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	replication    = regexp.MustCompile(`^\{[^{};]*\}$`)
)

// withDefaults fills in defaults and checks the rest.
func (o Options) withDefaults() (Options, error) {
	setDefault(&o.Port, defaultPort)
	setDefault(&o.Keyspace, defaultKeyspace)
	setDefault(&o.Domain, Everywhere)
	setDefault(&o.Connections, defaultConnections)
	setDefault(&o.Timeout, defaultTimeout)
	setDefault(&o.BucketRecords, defaultBucketRecords)
	setDefault(&o.BucketBytes, defaultBucketBytes)
	setDefault(&o.Entities, defaultEntities)
	if o.Datacenter != "" && o.Replication == "" {
		o.Replication = fmt.Sprintf("{'class': 'NetworkTopologyStrategy', '%s': 3}", o.Datacenter)
	}
	setDefault(&o.Replication, "{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}")
	switch {
	case !keyspaceName.MatchString(o.Keyspace):
		return o, fmt.Errorf("%w: keyspace %q: letters, digits and _, at most 48", ErrOptions, o.Keyspace)
	case o.Domain != Everywhere && o.Domain != Local:
		return o, fmt.Errorf("%w: consistency %q: %q or %q", ErrOptions, o.Domain, Everywhere, Local)
	case o.Domain == Local && o.Datacenter == "":
		return o, fmt.Errorf("%w: consistency %q needs the name of the datacentre that decides", ErrOptions, Local)
	case o.Datacenter != "" && !datacenterName.MatchString(o.Datacenter):
		return o, fmt.Errorf("%w: datacentre %q: letters, digits and _.- only", ErrOptions, o.Datacenter)
	case !replication.MatchString(o.Replication):
		return o, fmt.Errorf("%w: replication %q: write it as CQL does, {'class': …}", ErrOptions, o.Replication)
	case o.Timeout < 0 || o.Connections < 0 || o.Entities < 0 || o.Port < 0:
		return o, fmt.Errorf("%w: a number below zero", ErrOptions)
	}
	return o, nil
}

func setDefault[T comparable](field *T, standard T) {
	var zero T
	if *field == zero {
		*field = standard
	}
}

// domainText is what the meta table says of the domain.
func (o Options) domainText() string {
	if o.Domain == Local {
		return string(Local) + ":" + o.Datacenter
	}
	return string(o.Domain)
}

func (o Options) buckets() bucketLimits {
	return bucketLimits{records: o.BucketRecords, bytes: o.BucketBytes}
}

var _ journal.Store = (*Store)(nil)
