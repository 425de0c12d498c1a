package engine

import (
	"testing"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

// A process, and a container with this machine's network, listens where the kit finds it; a container with an address of its own on its own ports, which are published.
func TestPlaces(t *testing.T) {
	process, err := findPlace(target.Ref{Role: target.Proxy, Scheme: target.Exec, Value: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if process.address != target.Loopback(process.port) || process.management != target.Loopback(process.managementPort) || process.host != "127.0.0.1" || len(process.published) != 0 {
		t.Errorf("process: %+v", process)
	}
	host, err := findPlace(target.Ref{Role: target.Proxy, Scheme: target.Image, Value: "x", Options: &target.Options{Network: target.Host}})
	if err != nil || host.address != target.Loopback(host.port) || len(host.published) != 0 {
		t.Errorf("host's network: %+v %v", host, err)
	}
	proxy, err := findPlace(target.Ref{Role: target.Proxy, Scheme: target.Image, Value: "x", Options: &target.Options{ManagementPort: 81}})
	if err != nil {
		t.Fatal(err)
	}
	if proxy.host != anywhere || proxy.port != containerPort || proxy.managementPort != 81 || len(proxy.published) != 2 ||
		proxy.address != target.Loopback(proxy.published[containerPort]) || proxy.management != target.Loopback(proxy.published[81]) {
		t.Errorf("proxy: %+v", proxy)
	}
	frontend, err := findPlace(target.Ref{Role: target.Frontend, Scheme: target.Dockerfile, Value: "x", Options: &target.Options{Port: 90}})
	if err != nil || len(frontend.published) != 1 || frontend.address != target.Loopback(frontend.published[90]) {
		t.Errorf("frontend: %+v %v", frontend, err)
	}
}
