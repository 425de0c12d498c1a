package target

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// Options say how a target is started and what is known of it, as tck.yaml declares it. The zero Options are the defaults.
type Options struct {
	// Environment is added to what the kit tells the target; values are templates, see [Render].
	Environment map[string]string `yaml:"environment"`
	// Ready tells when it is ready, beyond what the protocol shows.
	Ready Ready `yaml:"ready"`
	// StartTimeout bounds the start; 0 means the run's.
	StartTimeout time.Duration `yaml:"start_timeout"`
	// Capabilities are what it declares, and lacks.
	Capabilities Capabilities `yaml:"capabilities"`
	// Dir is where a process runs; empty: where the kit does.
	Dir string `yaml:"-"`

	// The rest is for containers.

	// Command replaces the image's command.
	Command []string `yaml:"command"`
	// Context is the directory from which a Dockerfile builds; empty: the Dockerfile's own.
	Context string `yaml:"context"`
	// Pull lets an image be fetched that is not there.
	Pull bool `yaml:"pull"`
	// Network is what the container has: [Bridge] (the default) or [Host].
	Network Network `yaml:"network"`
	// Port and ManagementPort are where the program listens in the container; 0 means the role's defaults. With the host's network the kit chooses.
	Port           int `yaml:"port"`
	ManagementPort int `yaml:"management_port"`
	// Limits bound the container.
	Limits Limits `yaml:"limits"`
	// Writable are the directories that the program may write to when its disk is limited; each is in memory, as large as the limit, and gone with the container.
	Writable []string `yaml:"writable"`
}

// Network is what a container sees of the network.
type Network string

// The networks.
const (
	// Bridge is Docker's own network: the container has an address of its own, and ports of it are published on 127.0.0.1.
	Bridge Network = "bridge"
	// Host is this machine's network: the program listens where the kit tells it to, as a process would.
	Host Network = "host"
)

// Ready is how a target tells that it is ready; each that is set must hold.
type Ready struct {
	// Port waits until its port accepts connections.
	Port bool `yaml:"port"`
	// HTTP is a path that answers GET with 2xx: on the management port of a proxy, otherwise on its port.
	HTTP string `yaml:"http"`
	// Log is a regular expression that must match what it has written since it was launched. Its named groups can be used in templates.
	Log string `yaml:"log"`
	// Command must exit with status 0; it is run in the container, or on this machine for a process.
	Command []string `yaml:"command"`
}

// Limits bound what a container may use; 0 means no limit.
type Limits struct {
	Memory Size    `yaml:"memory"` // swap included
	Disk   Size    `yaml:"disk"`   // of each writable directory; the rest is then read-only
	Pids   int64   `yaml:"pids"`   // processes and threads
	CPUs   float64 `yaml:"cpus"`
}

// Size is a number of bytes.
type Size int64

// units of sizes, as they are written.
var units = map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

// UnmarshalText reads a size such as 512MiB.
func (s *Size) UnmarshalText(text []byte) error {
	for unit, factor := range units {
		digits, ok := strings.CutSuffix(string(text), unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || n <= 0 {
			break
		}
		*s = Size(n * factor)
		return nil
	}
	return fmt.Errorf("%q is no size; write a whole number with KiB, MiB or GiB, such as 512MiB", text)
}

// Capabilities are profiles of SPEC.md that a target has for certain or has not.
type Capabilities struct {
	// Has are those that it must turn out to claim: a run in which it does not is not complete.
	Has []string `yaml:"has"`
	// Lacks are those that it is not judged by, whatever it says of itself.
	Lacks []string `yaml:"lacks"`
}

// Facts are what templates can name, such as Host and Port; Match holds the named groups of a log line.
type Facts map[string]any

// Render fills facts into templates, NAME: text with {{.Host}} and the like, and returns NAME=value, sorted. A name that there is not is an error.
func Render(templates map[string]string, facts Facts) ([]string, error) {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		value, err := Expand(templates[name], facts)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, name+"="+value)
	}
	return out, nil
}

// Expand fills facts into one template.
func Expand(text string, facts Facts) (string, error) {
	parsed, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", fmt.Errorf("the template %q: %s", text, strings.TrimPrefix(err.Error(), "template: "))
	}
	var b strings.Builder
	if err := parsed.Execute(&b, map[string]any(facts)); err != nil {
		return "", fmt.Errorf("the template %q: %w; it may name %s", text, err, "."+strings.Join(slices.Sorted(maps.Keys(facts)), ", ."))
	}
	return b.String(), nil
}
