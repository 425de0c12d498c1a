package engine

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// store takes the proxies' store away and brings it back, by the commands that whoever runs the kit gave. It implements [suite.StoreTarget].
type store struct {
	away, back string
	mu         sync.Mutex
	gone       bool
}

var _ suite.StoreTarget = (*store)(nil)

// newStore returns nil when there are no commands.
func newStore(config Config) *store {
	if config.StoreAway == "" || config.StoreBack == "" {
		return nil
	}
	return &store{away: config.StoreAway, back: config.StoreBack}
}

// Away implements suite.StoreTarget.
func (s *store) Away(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true // or half gone, if the command fails
	return shell(ctx, "--store-away", s.away)
}

// Back implements suite.StoreTarget.
func (s *store) Back(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := shell(ctx, "--store-back", s.back); err != nil {
		return err
	}
	s.gone = false
	return nil
}

// restore brings the store back when it is away.
func (s *store) restore(ctx context.Context) error {
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if !gone {
		return nil
	}
	return s.Back(ctx)
}

func shell(ctx context.Context, flag, command string) error {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command) //nolint:gosec // what whoever runs the kit told it to run
	cmd.WaitDelay = time.Second
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %q: %w; it said: %s", flag, command, err, strings.TrimSpace(string(said)))
	}
	return nil
}

// settleStore is called after a case that may have taken the store away: it brings it back, and waits until the proxies that other cases use
// serve again. A rig whose proxy does not is down.
func (r *run) settleStore(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.config.StartTimeout)
	defer cancel()
	err := r.store.restore(ctx)
	for kind, rig := range r.rigs {
		if rig.proxy == nil || rig.down != "" {
			continue
		}
		if err == nil {
			err = target.Await(ctx, target.Serving(rig.proxy.Address), nil)
		}
		if err != nil {
			rig.down = "after a case that took the store away: " + err.Error()
			r.faults = append(r.faults, fmt.Sprintf("%s cases: %s", kind, rig.down))
		}
	}
}
