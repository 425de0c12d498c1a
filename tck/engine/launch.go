package engine

import (
	"context"
	"os"
	"slices"

	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/target/container"
)

// launch says how a target that the kit starts is made.
type launch struct {
	ref   target.Ref
	place place
	// env is what the kit tells it; what its declaration adds is rendered over facts and wins.
	env   []string
	facts target.Facts
	// data is the directory of this machine that a container has as its data directory; "" when it needs none.
	data string
	// http is where its HTTP endpoint is asked for readiness.
	http string
	// probe returns the protocol's own sign of readiness for each launch; nil when there is none.
	probe func() target.Probe
}

// launchable makes the target, not started yet.
func launchable(ctx context.Context, l launch) (live, error) {
	options := l.ref.Settings()
	declared, err := target.Render(options.Environment, l.facts)
	if err != nil {
		return nil, err
	}
	var made interface {
		live
		target.Prober
	}
	ready := func() target.Probe {
		// The prober is asked only after made is set: probes are made at a launch.
		probe, err := options.Ready.Probe(made, l.place.address, l.http)
		switch {
		case err != nil:
			return failing(err)
		case l.probe != nil:
			return target.All(probe, l.probe())
		}
		return probe
	}
	env := slices.Concat(l.env, declared)
	if !l.ref.Contained() {
		made, err = target.New(target.Config{Ref: l.ref, Env: env, Probe: ready})
		return made, err
	}
	config := container.Config{Ref: l.ref, Env: env, Published: l.place.published, Probe: ready}
	if l.data != "" {
		// The program's user is the image's choice, and only the engine sees this directory: the one above is ours alone.
		if err := os.Chmod(l.data, 0o777); err != nil { //nolint:gosec // see above
			return nil, err
		}
		config.Data, config.DataInside = l.data, dataInside
	}
	made, err = container.New(ctx, config)
	return made, err
}

// failing is a probe that never succeeds.
func failing(err error) target.Probe {
	return func(context.Context) error { return err }
}

// kitHost returns the address of this machine that the target can reach.
func kitHost(ctx context.Context, ref target.Ref) (string, error) {
	if bridged(ref) {
		return container.Gateway(ctx)
	}
	return "127.0.0.1", nil
}
