package fuzz

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// side is how conversations are held with one kind of target. All methods are safe for concurrent use.
type side interface {
	// hold holds a conversation about that entity. The error is a [Violation], unless ctx ended.
	hold(ctx context.Context, c Conversation, entity string) error
	// exclusive tells whether a conversation disturbs others that are held at the same time.
	exclusive(c Conversation) bool
	// witness makes an entity that no conversation is about.
	witness(ctx context.Context, entity string) (witness, error)
	// stored is about how many bytes the target was given to keep.
	stored() int64
	close()
}

// witness is an entity that must stay as it is, whatever else the target is told. It is asked by one goroutine at a time.
type witness interface {
	ask(ctx context.Context) error
	close()
}

// process is the target's process, or an address of one that the fuzzer did not start.
type process interface {
	Controlled() bool
	Start(ctx context.Context, env ...string) error
	Ready(ctx context.Context) error
	Kill(ctx context.Context) error
	Close(ctx context.Context)
	Exited() <-chan struct{}
	Running() bool
	Crash() (string, bool)
}

// rig is a target that is up, and the fuzzer around it.
type rig struct {
	config   Config
	data     string // a directory for what a proxy keeps
	process  process
	address  string
	function *function
	side     side
	ids      *atomic.Uint64 // of entities: none is used twice
}

// newRig starts the target. Close it.
func newRig(ctx context.Context, config Config, ids *atomic.Uint64) (*rig, error) {
	r := &rig{config: config, ids: ids}
	err := r.prepare()
	if err == nil {
		err = r.up(ctx)
	}
	if err != nil {
		r.close(ctx)
		return nil, err
	}
	return r, nil
}

// prepare makes what does not run yet: the target, and for a proxy its user function.
func (r *rig) prepare() error {
	ref := r.config.Target
	var env []string
	functionAddress := r.config.FunctionAddress
	r.address = ref.Value
	if ref.Starts() {
		ports := make([]int, 3)
		for i := range ports {
			port, err := target.FreePort()
			if err != nil {
				return err
			}
			ports[i] = port
		}
		r.address, functionAddress = target.Loopback(ports[0]), target.Loopback(ports[1])
		env = []string{"HOST=127.0.0.1", "PORT=" + strconv.Itoa(ports[0])}
		if ref.Role == target.Proxy {
			data, err := os.MkdirTemp("", "cloudstate-fuzz-")
			if err != nil {
				return fmt.Errorf("fuzz: making the proxy's data directory: %w", err)
			}
			r.data = data
			env = []string{
				"HTTP_HOST=127.0.0.1", "HTTP_PORT=" + strconv.Itoa(ports[0]),
				"USER_FUNCTION_HOST=127.0.0.1", "USER_FUNCTION_PORT=" + strconv.Itoa(ports[1]),
				"MANAGEMENT_HOST=127.0.0.1", "MANAGEMENT_PORT=" + strconv.Itoa(ports[2]),
				"CLOUDSTATE_DATA_DIR=" + data, "CLOUDSTATE_STORE=" + r.config.Store,
				// A proxy that has such settings loses less time after a conversation that took its connections away.
				"CLOUDSTATE_DISCOVERY_BACKOFF_MIN=20ms", "CLOUDSTATE_DISCOVERY_BACKOFF_MAX=100ms",
			}
		}
	}
	probe := target.Serving(r.address)
	if ref.Role == target.Frontend {
		probe = func(ctx context.Context) error {
			_, err := target.Discover(ctx, r.address, mockproxy.Info(0, 2))
			return err
		}
	} else if err := r.serve(functionAddress); err != nil {
		return err
	}
	if !ref.Starts() {
		r.process = &target.Remote{Ref: ref, Probe: probe}
		return nil
	}
	started, err := target.New(target.Config{Ref: ref, Env: env, Probe: func() target.Probe { return probe }})
	r.process = started
	return err
}

func (r *rig) serve(address string) (err error) {
	r.function, err = newFunction(address)
	return err
}

// up starts the target if it does not run, and connects to it.
func (r *rig) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.config.StartTimeout)
	defer cancel()
	var err error
	if r.process.Controlled() {
		err = r.process.Start(ctx)
	} else {
		err = r.process.Ready(ctx)
	}
	if err != nil && !errors.Is(err, target.ErrRunning) {
		return err
	}
	if r.config.Target.Role == target.Frontend {
		r.side, err = newFrontendSide(r.address, r.config.Patience)
		return err
	}
	p, err := newProxySide(r.address, r.config.Patience, r.function)
	if err != nil {
		return err
	}
	r.side = p
	return p.serves(ctx)
}

// renew replaces a target that has failed by a fresh one. One that the fuzzer did not start is taken as it is.
func (r *rig) renew(ctx context.Context) error {
	r.side.close()
	if r.process.Controlled() && r.process.Running() {
		killing, cancel := context.WithTimeout(ctx, stopTimeout)
		defer cancel()
		_ = r.process.Kill(killing) // one that has ended meanwhile is started, too
	}
	return r.up(ctx)
}

// stopTimeout bounds the end of a target.
const stopTimeout = 10 * time.Second

func (r *rig) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if r.side != nil {
		r.side.close()
	}
	if r.process != nil {
		if r.process.Controlled() && r.process.Running() {
			_ = r.process.Kill(ctx) // as in renew; nobody looks at how it would stop
		}
		r.process.Close(ctx)
	}
	if r.function != nil {
		r.function.close()
	}
	if r.data != "" {
		_ = os.RemoveAll(r.data) // a directory for temporary files is swept by the system as well
	}
}

// entity returns an id as long as the placeholder that nothing had before.
func (r *rig) entity() string { return fmt.Sprintf("%s%09d", r.config.run, r.ids.Add(1)) }

// crashed is what is wrong with the process, nil when it lives.
func (r *rig) crashed() error {
	if text, crashed := r.process.Crash(); crashed {
		return broken("", "the target crashed: %s", text)
	}
	return nil
}
