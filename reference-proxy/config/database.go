package config

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// hidden stands for what must not be shown.
const hidden = "***"

// Secret is a password. It prints as stars; Reveal gives it.
type Secret string

// String hides s.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides s too.
func (s Secret) GoString() string { return s.String() }

// Reveal returns the password itself.
func (s Secret) Reveal() string { return string(s) }

// URL is an address that may hold a password. It prints with stars in its place; Reveal gives all of it.
type URL string

// secretParameter is one of PostgreSQL's parameters that are nobody's business, wherever it stands.
var secretParameter = regexp.MustCompile(`(?i)(password=)[^&]*`)

// String is u without its passwords. What cannot be taken apart is hidden whole.
func (u URL) String() string {
	if u == "" {
		return ""
	}
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.Scheme == "" || parsed.Host == "" || strings.Contains(parsed.EscapedPath()+parsed.RawQuery+parsed.Fragment, "@") {
		return hidden // the last: a password that was not escaped ends somewhere else
	}
	if _, set := parsed.User.Password(); set {
		parsed.User = url.UserPassword(parsed.User.Username(), hidden)
	}
	// Stars need no escape to be read.
	shown := strings.Replace(parsed.String(), ":"+url.PathEscape(hidden)+"@", ":"+hidden+"@", 1)
	shown = strings.Replace(shown, ":%2A%2A%2A@", ":"+hidden+"@", 1)
	return secretParameter.ReplaceAllString(shown, "${1}"+hidden)
}

// GoString hides passwords too.
func (u URL) GoString() string { return u.String() }

// Reveal returns the URL with all that it holds.
func (u URL) Reveal() string { return string(u) }

// holdsPassword reports whether somebody who sees u sees a password.
func (u URL) holdsPassword() bool {
	return u.String() != string(u) && strings.Contains(u.String(), hidden)
}

// Namespace names one installation's part of a database; PostgreSQL and Cassandra both take it as it is.
type Namespace string

var namespace = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

// UnmarshalText accepts what both databases accept.
func (n *Namespace) UnmarshalText(text []byte) error {
	if !namespace.Match(text) || strings.HasPrefix(string(text), "pg_") {
		return errors.New("begin with a letter and go on with letters, digits and _, small ones, at most 48 together, and not with pg_")
	}
	*n = Namespace(text)
	return nil
}

// Hosts are addresses, separated by commas, each host or host:port.
type Hosts string

// UnmarshalText refuses lists with gaps.
func (h *Hosts) UnmarshalText(text []byte) error {
	for host := range strings.SplitSeq(string(text), ",") {
		if strings.TrimSpace(host) == "" {
			return errors.New("list hosts, separated by commas, such as cassandra-1,cassandra-2:9043")
		}
	}
	*h = Hosts(text)
	return nil
}

// List returns the addresses one by one, none for the zero Hosts.
func (h Hosts) List() []string {
	var list []string
	for host := range strings.SplitSeq(string(h), ",") {
		if host = strings.TrimSpace(host); host != "" {
			list = append(list, host)
		}
	}
	return list
}

// Consistency says where Cassandra's reads and writes meet.
type Consistency string

// The consistencies.
const (
	// ConsistencyQuorum lets proxies be in any datacentre.
	ConsistencyQuorum Consistency = "quorum"
	// ConsistencyLocal has all proxies, and all decisions, in one datacentre.
	ConsistencyLocal Consistency = "local"
)

// UnmarshalText accepts the names of the consistencies.
func (c *Consistency) UnmarshalText(text []byte) error {
	return choose(c, string(text), ConsistencyQuorum, ConsistencyLocal)
}

// Replication is a number of copies or a replication map in CQL.
type Replication string

// maxCopies is more than anybody has datacentres' nodes for.
const maxCopies = 100

// UnmarshalText accepts both notations.
func (r *Replication) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	isMap := strings.HasPrefix(string(text), "{") && strings.HasSuffix(string(text), "}")
	if !isMap && (err != nil || n < 1 || n > maxCopies) {
		return errors.New("give a number of copies, or a map such as {'class': 'NetworkTopologyStrategy', 'dc1': 3, 'dc2': 3}")
	}
	*r = Replication(text)
	return nil
}

// CQL returns the replication map for a keyspace, with a plain number of copies in the datacentre, or in each when that is "".
func (r Replication) CQL(datacenter string) string {
	if strings.HasPrefix(string(r), "{") {
		return string(r)
	}
	if datacenter == "" {
		datacenter = "replication_factor"
	}
	return "{'class': 'NetworkTopologyStrategy', '" + datacenter + "': " + string(r) + "}"
}
