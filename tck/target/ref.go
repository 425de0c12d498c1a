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
	// Store is a database server that proxies are told about; the judge itself never talks to it.
	Store Role = "store"
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
	// Image names a container image of the local Docker engine.
	Image Scheme = "image"
	// Dockerfile gives the path of a Dockerfile, from which an image is built first.
	Dockerfile Scheme = "dockerfile"
)

// programs lists what builtin: names stand for, by role.
var programs = map[Role]map[string]string{
	Proxy:    {"reference": "cloudstate-proxy"},
	Frontend: {"go": "cloudstate-tck-model"},
	// Stores that a proxy has within itself: there is no program to start.
	Store: {"embedded": "", "memory": ""},
}

// Ref says what to judge. The zero Ref is none.
type Ref struct {
	Role   Role
	Scheme Scheme
	// Value is a builtin's name, a command line, host:port, an image's name, or a Dockerfile's path.
	Value string
	// Options say how it is started, beyond that; nil means the defaults. They are not changed after construction.
	Options *Options
}

var schemes = []Scheme{Builtin, Exec, Addr, Image, Dockerfile}

// ErrRef is wrapped by all errors of [Parse].
var ErrRef = errors.New("bad target")

// Parse reads a reference such as "builtin:reference", "exec:java -jar model.jar" or "addr:127.0.0.1:8080".
func Parse(role Role, text string) (Ref, error) {
	fail := func(format string, args ...any) (Ref, error) {
		return Ref{}, fmt.Errorf("%w: --%s %q: %s", ErrRef, role, text, fmt.Sprintf(format, args...))
	}
	scheme, value, found := strings.Cut(text, ":")
	ref := Ref{Role: role, Scheme: Scheme(scheme), Value: strings.TrimSpace(value)}
	if !found || !slices.Contains(schemes, ref.Scheme) {
		return fail("write builtin:%s, exec:<command line>, addr:<host:port>, image:<name> or dockerfile:<path>", example(role))
	}
	if ref.Value == "" {
		return fail("nothing follows the %s:", scheme)
	}
	switch ref.Scheme {
	case Exec, Image, Dockerfile: // the shell or the engine will say what is wrong with it
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

// Settings returns the options, the defaults if there are none.
func (r Ref) Settings() Options {
	if r.Options == nil {
		return Options{}
	}
	return *r.Options
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

// Starts reports whether the kit starts the target, as a process or in a container.
func (r Ref) Starts() bool { return r.Scheme == Builtin || r.Scheme == Exec || r.Contained() }

// Contained reports whether the target runs in a container.
func (r Ref) Contained() bool { return r.Scheme == Image || r.Scheme == Dockerfile }
