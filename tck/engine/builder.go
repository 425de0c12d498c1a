package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// live is a target that the engine looks after: [target.Process] or [target.Remote].
type live interface {
	suite.Process
	Running() bool
	Crash() (string, bool)
	Close(ctx context.Context)
}

// builder makes targets that are not started yet.
type builder struct {
	config Config
	data   string   // a directory of this run's own
	store  []string // what proxies are told of the store's server
	run    string   // a name of this run's own, for databases that outlive it
	made   atomic.Int64

	mu   sync.Mutex
	free []string // namespaces that may be used again
}

func newBuilder(config Config, data string, store []string) *builder {
	return &builder{config: config, data: data, store: store, run: strings.ToLower(rand.Text()[:12])}
}

// room returns what keeps one proxy's state apart from every other's: a directory, and a name that is valid in any database. Both
// stay the same while the proxy is stopped and started.
func (b *builder) room() (dir, namespace string, err error) {
	n := b.made.Add(1)
	dir = filepath.Join(b.data, fmt.Sprintf("proxy-%d", n))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", fmt.Errorf("making the proxy's data directory: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if last := len(b.free) - 1; last >= 0 {
		namespace, b.free = b.free[last], b.free[:last]
		return dir, namespace, nil
	}
	return dir, fmt.Sprintf("tck_%s_%d", b.run, n), nil
}

// leave gives a namespace back whose proxy has stopped in an orderly way, so that nobody holds anything in it.
func (b *builder) leave(namespace string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = append(b.free, namespace)
}

// kitInfo is how the kit introduces itself to a user function, in place of a proxy.
func kitInfo() *cloudstate.ProxyInfo {
	return &cloudstate.ProxyInfo{
		ProtocolMajorVersion: 0, ProtocolMinorVersion: 2,
		ProxyName: "cloudstate-tck", ProxyVersion: "1",
		SupportedEntityTypes: []string{suite.Action, suite.CRDT, suite.EventSourced, suite.ValueEntity},
	}
}

// frontend returns the user function under judgement.
func (b *builder) frontend(ctx context.Context) (*suite.FrontendTarget, live, error) {
	ref := b.config.Frontend
	if !ref.Starts() {
		probe := discovers(ref.Value)
		remote := &target.Remote{Ref: ref, Probe: probe}
		return &suite.FrontendTarget{Process: remote, Address: ref.Value}, remote, nil
	}
	at, err := findPlace(ref)
	if err != nil {
		return nil, nil, err
	}
	process, err := launchable(ctx, launch{
		ref: ref, place: at, env: []string{"HOST=" + at.host, "PORT=" + strconv.Itoa(at.port)}, facts: at.facts(),
		http: at.address, probe: func() target.Probe { return discovers(at.address) },
	})
	if err != nil {
		return nil, nil, err
	}
	return &suite.FrontendTarget{Process: process, Address: at.address}, process, nil
}

// proxy returns the proxy under judgement, told to find its user function at function. recorder is where that user function's calls are recorded: a
// discover seen there is half of the proxy's readiness. settings are added to its environment.
func (b *builder) proxy(ctx context.Context, function string, recorder *trace.Recorder, settings ...string) (proxy *suite.ProxyTarget, process live, namespace string, err error) {
	ref := b.config.Proxy
	if !ref.Starts() {
		remote := &target.Remote{Ref: ref, Probe: ready(ref.Value, recorder, 0)}
		return &suite.ProxyTarget{Process: remote, Address: ref.Value, Management: b.config.Management}, remote, "", nil
	}
	at, err := findPlace(ref)
	if err != nil {
		return nil, nil, "", err
	}
	data, namespace, err := b.room()
	if err != nil {
		return nil, nil, "", err
	}
	functionHost, functionPort, err := net.SplitHostPort(function)
	if err != nil {
		return nil, nil, "", err
	}
	inside := inside(ref, data)
	env := []string{
		"USER_FUNCTION_HOST=" + functionHost, "USER_FUNCTION_PORT=" + functionPort,
		"HTTP_HOST=" + at.host, "HTTP_PORT=" + strconv.Itoa(at.port),
		"MANAGEMENT_HOST=" + at.host, "MANAGEMENT_PORT=" + strconv.Itoa(at.managementPort),
		"CLOUDSTATE_DATA_DIR=" + inside, "CLOUDSTATE_STORE_NAMESPACE=" + namespace,
		"CLOUDSTATE_CRASH_POINT=none", // shows which proxies have crash points (OPS-22)
	}
	if b.config.Store != "" {
		env = append(env, "CLOUDSTATE_STORE="+b.config.Store)
	}
	facts := at.facts()
	facts["FunctionHost"], facts["FunctionPort"] = functionHost, functionPort
	facts["DataDir"], facts["Namespace"] = inside, namespace
	facts["ManagementPort"] = strconv.Itoa(at.managementPort)
	started, err := launchable(ctx, launch{
		ref: ref, place: at, env: slices.Concat(env, b.store, settings), facts: facts, data: data,
		http: at.management, probe: func() target.Probe { return ready(at.address, recorder, lastSeq(recorder)) },
	})
	if err != nil {
		return nil, nil, "", err
	}
	return &suite.ProxyTarget{Process: started, Address: at.address, Management: at.management}, started, namespace, nil
}

// discovers is ready when the user function at address answers discover.
func discovers(address string) target.Probe {
	return func(ctx context.Context) error {
		_, err := target.Discover(ctx, address, kitInfo())
		return err
	}
}

// ready is ready when the proxy has had an answer to discover, newer than the record numbered after, and says that it serves.
func ready(address string, recorder *trace.Recorder, after uint64) target.Probe {
	serving := target.Serving(address)
	return func(ctx context.Context) error {
		if _, answered := discovery(recorder, after); !answered {
			return target.ErrUndiscovered
		}
		return serving(ctx)
	}
}

// discovery returns the latest ProxyInfo that was recorded after the record numbered after, and whether a discover was answered.
func discovery(recorder *trace.Recorder, after uint64) (info *cloudstate.ProxyInfo, answered bool) {
	for _, m := range recorder.Messages() {
		if m.Seq <= after || m.Kind != trace.Data || m.Method != cloudstate.EntityDiscovery_Discover_FullMethodName {
			continue
		}
		if sent, ok := m.Payload.(*cloudstate.ProxyInfo); ok {
			info = sent
		}
		if m.From == trace.Frontend {
			answered = true
		}
	}
	return info, answered
}

func lastSeq(recorder *trace.Recorder) uint64 {
	messages := recorder.Messages()
	if len(messages) == 0 {
		return 0
	}
	return messages[len(messages)-1].Seq
}
