package engine

import (
	"strconv"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

// anywhere is what a program in a container listens on: the container's own addresses.
const anywhere = "0.0.0.0"

// The ports of a program in a container, unless its declaration says otherwise.
const (
	containerPort           = 8080
	containerManagementPort = 8558
)

// place is where a target listens, as it is told, and where the kit finds it.
type place struct {
	host                 string // to listen on
	port, managementPort int
	address, management  string // host:port for the kit
	published            map[int]int
}

// findPlace chooses free ports for a target. A process, and a container with this machine's network, listens on them itself; for a container with an address of
// its own they are published on 127.0.0.1, and stay the same when it is started again.
func findPlace(ref target.Ref) (place, error) {
	port, err := target.FreePort()
	if err != nil {
		return place{}, err
	}
	management, err := target.FreePort()
	if err != nil {
		return place{}, err
	}
	at := place{
		host: "127.0.0.1", port: port, managementPort: management,
		address: target.Loopback(port), management: target.Loopback(management),
	}
	if bridged(ref) {
		options := ref.Settings()
		at.host, at.port, at.managementPort = anywhere, containerPort, containerManagementPort
		if options.Port != 0 {
			at.port = options.Port
		}
		if options.ManagementPort != 0 {
			at.managementPort = options.ManagementPort
		}
		at.published = map[int]int{at.port: port}
		if ref.Role == target.Proxy {
			at.published[at.managementPort] = management
		}
	}
	return at, nil
}

// bridged tells whether the target has a network address of its own.
func bridged(ref target.Ref) bool {
	return ref.Contained() && ref.Settings().Network != target.Host
}

// facts are what the templates of a target's environment may name.
func (p place) facts() target.Facts {
	return target.Facts{"Host": p.host, "Port": strconv.Itoa(p.port)}
}

// dataInside is where a container finds its data directory.
const dataInside = "/data"

// inside returns how a target calls the directory dir of this machine.
func inside(ref target.Ref, dir string) string {
	if ref.Contained() {
		return dataInside
	}
	return dir
}
