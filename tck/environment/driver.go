package environment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

const (
	// DefaultBudget is how many disturbances each case sees unless told otherwise.
	DefaultBudget = 25
	// work without disturbances: how many operations make up for one.
	worth = 50
	// little is how much work there is where nothing happens.
	little = 400
	// recovery bounds the time from the end of a disturbance to the next acknowledged operations.
	recovery = 60 * time.Second
)

// Driver disturbs a scene as its environment says. It implements [suite.Environment].
type Driver struct {
	env    Environment
	scene  *Scene
	seed   uint64
	budget int
}

var _ suite.Environment = (*Driver)(nil)

// New returns a driver that makes budget disturbances drawn from seed. The scene is as the environment wants it from now on: its links, for
// one, are late where links always are.
func New(env Environment, scene *Scene, seed uint64, budget int) (*Driver, error) {
	if env.slow > 0 {
		if err := late(scene.Links, env.slow); err != nil {
			return nil, err
		}
	}
	return &Driver{env, scene, seed, budget}, nil
}

// Name implements [suite.Environment].
func (d *Driver) Name() string { return d.env.Name }

// Between does what the environment does between two cases.
func (d *Driver) Between(ctx context.Context) error {
	if d.env.between == nil {
		return nil
	}
	return d.env.between(ctx, d.scene)
}

// Plan is what [Driver.Disturb] will do.
func (d *Driver) Plan() []Step {
	possible := map[string]bool{}
	for _, menu := range d.env.menu {
		possible[menu.name] = d.scene.possible(menu)
	}
	return Plan(d.env, d.seed, d.budget, func(what string) bool { return possible[what] })
}

// Disturb implements [suite.Environment].
func (d *Driver) Disturb(ctx context.Context, work suite.Work) (string, error) {
	steps := d.Plan()
	figures := fmt.Sprintf("environment %s, seed %d: %s", d.env.Name, d.seed, count(steps))
	if len(steps) == 0 {
		amount := int64(little)
		if d.env.Name != Plain {
			amount = max(amount, int64(d.budget)*worth)
		}
		return figures, progress(ctx, work, amount, "with the proxy and the user function up")
	}
	before := "the start"
	for i, step := range steps {
		if err := progress(ctx, work, step.After, "since "+before); err != nil {
			return figures, fmt.Errorf("before disturbance %d of %d: %w", i+1, len(steps), err)
		}
		idle(ctx, step.Pause)
		if ctx.Err() != nil {
			return figures, context.Cause(ctx)
		}
		if err := step.does.act(ctx, d.scene, step); err != nil {
			return figures, fmt.Errorf("disturbance %d of %d, %s: %w", i+1, len(steps), step, err)
		}
		before = fmt.Sprintf("disturbance %d, %s", i+1, step)
	}
	return figures, progress(ctx, work, 1, "since "+before)
}

// progress waits until n operations were acknowledged. Slow work is no fault; none at all is.
func progress(ctx context.Context, work suite.Work, n int64, since string) error {
	for n > 0 {
		part := min(n, 10)
		waiting, cancel := context.WithTimeout(ctx, recovery)
		err := work.Await(waiting, part)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return &suite.Failure{
				Expected: fmt.Sprintf("commands to be answered again within %s, %s", recovery, since),
				Got:      fmt.Sprintf("fewer than %d were acknowledged in that time", part),
				Remedy:   "find out what the proxy waits for: whatever was lost is back, and nobody helps it further (STO-15, STO-24, OPS-09)",
			}
		}
		if err != nil {
			return err
		}
		n -= part
	}
	return nil
}
