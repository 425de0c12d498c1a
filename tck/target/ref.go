package target

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Role is what a target is to the judge.
type Role string

// The roles.
const (
	Proxy    Role = "proxy"
	Frontend Role = "frontend"
)

// Scheme is the first part of a reference.
type Scheme string

// The schemes of references.
const (
	// Builtin names one of this project's own programs, which is started as a process.
	Builtin Scheme = "builtin"
	// Exec gives a command line for sh -c.
	Exec Scheme = "exec"
	// Addr gives the host:port of something that runs already.
	Addr Scheme = "addr"
)

// programs lists what builtin: names stand for, by role.
var programs = map[Role]map[string]string{
	Proxy:    {"reference": "cloudstate-proxy"},
	Frontend: {"go": "cloudstate-tck-model"},
}

// Ref says what to judge. The zero Ref is none.
type Ref struct {
	Role   Role
	Scheme Scheme
	// Value is a builtin's name, a command line, or host:port.
	Value string
}

// ErrRef is wrapped by all errors of [Parse].
var ErrRef = errors.New("bad target")

// Parse reads a reference such as "builtin:reference", "exec:java -jar model.jar" or "addr:127.0.0.1:8080".
func Parse(role Role, text string) (Ref, error) {
	fail := func(format string, args ...any) (Ref, error) {
		return Ref{}, fmt.Errorf("%w: --%s %q: %s", ErrRef, role, text, fmt.Sprintf(format, args...))
	}
	scheme, value, found := strings.Cut(text, ":")
	ref := Ref{Role: role, Scheme: Scheme(scheme), Value: strings.TrimSpace(value)}
	if !found || !slices.Contains([]Scheme{Builtin, Exec, Addr}, ref.Scheme) {
		return fail("write builtin:%s, exec:<command line> or addr:<host:port>", example(role))
	}
	if ref.Value == "" {
		return fail("nothing follows the %s:", scheme)
	}
	switch ref.Scheme {
	case Exec: // the shell will say what is wrong with it
	case Builtin:
		if _, ok := programs[role][ref.Value]; !ok {
			return fail("no such built-in %s; there is %s", role, example(role))
		}
	case Addr:
		host, port, err := net.SplitHostPort(ref.Value)
		if err != nil {
			return fail("%v; write addr:<host>:<port>, such as addr:127.0.0.1:8080", err)
		}
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fail("the port %q must be a number from 1 to 65535", port)
		}
		if host == "" {
			return fail("the host is missing; for this machine write addr:127.0.0.1:%s", port)
		}
	}
	return ref, nil
}

// example returns the names of the built-in programs of a role.
func example(role Role) string {
	var names []string
	for name := range programs[role] {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " or ")
}

// String returns the reference as it is written.
func (r Ref) String() string {
	if r.Scheme == "" {
		return ""
	}
	return string(r.Scheme) + ":" + r.Value
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r.Scheme == "" }

// Starts reports whether the kit starts the target as a process of its own.
func (r Ref) Starts() bool { return r.Scheme == Builtin || r.Scheme == Exec }
