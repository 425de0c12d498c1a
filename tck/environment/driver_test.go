package environment

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

func lookup(t *testing.T, name string) Environment {
	t.Helper()
	e, err := Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// only has an environment do nothing but one thing.
func only(e Environment, d disturbance) Environment {
	e.menu = []disturbance{d}
	return e
}

// TestEachDisturbanceLeavesEverythingUp: whatever was done, at the end both processes run, the links carry what they are given, and each was dealt with as its name says.
func TestEachDisturbanceLeavesEverythingUp(t *testing.T) {
	did := map[string]struct{ proxy, function []string }{
		proxyRestarted.name:    {[]string{"stop", "launch"}, nil},
		proxyKilled.name:       {[]string{"kill", "launch"}, nil},
		proxyKilledTwice.name:  {[]string{"kill", "launch", "kill", "launch"}, nil},
		functionRestarted.name: {nil, []string{"signal", "start"}},
		functionKilled.name:    {nil, []string{"kill", "start"}},
		bothKilled.name:        {[]string{"kill", "launch"}, []string{"kill", "start"}},
	}
	for _, e := range All() {
		for _, d := range e.menu {
			t.Run(e.Name+", "+d.name, func(t *testing.T) {
				scene, proxy, function, store := newScene(t)
				reconnected := 0
				scene.Reconnect = func() { reconnected++ }
				driver, err := New(only(e, d), scene, 3, 1)
				if err != nil {
					t.Fatal(err)
				}
				figures, err := driver.Disturb(t.Context(), &busy{})
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(figures, "seed 3") || !strings.Contains(figures, "1 "+d.name) {
					t.Errorf("figures: %s", figures)
				}
				if err := errors.Join(proxy.running(), function.running()); err != nil {
					t.Error(err)
				}
				for hop, link := range scene.Links {
					if err := echoes(link); err != nil {
						t.Errorf("the link to the %s: %v", hop, err)
					}
				}
				want := did[d.name]
				if !slices.Equal(proxy.did(), want.proxy) || !slices.Equal(function.did(), want.function) {
					t.Errorf("proxy %v, user function %v", proxy.did(), function.did())
				}
				if reconnected != len(want.function)/2 { // once a start
					t.Errorf("the kit looked for the user function %d times", reconnected)
				}
				if d.needs(Store) != (store.away == 1) || store.away != store.back {
					t.Errorf("the store was taken away %d times and brought back %d times", store.away, store.back)
				}
			})
		}
	}
}

func TestBetween(t *testing.T) {
	for name, want := range map[string]struct{ proxy, function []string }{
		Plain: {}, "kills": {}, "restart-proxy": {[]string{"stop", "launch"}, nil}, "restart-function": {nil, []string{"signal", "start"}},
	} {
		scene, proxy, function, _ := newScene(t)
		driver, err := New(lookup(t, name), scene, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := driver.Between(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(proxy.did(), want.proxy) || !slices.Equal(function.did(), want.function) {
			t.Errorf("%s: proxy %v, user function %v", name, proxy.did(), function.did())
		}
	}
}

// TestBetweenWaitsForTheDiscovery: a user function that was started again is not there before the proxy has asked it anew.
func TestBetweenWaitsForTheDiscovery(t *testing.T) {
	scene, _, function, _ := newScene(t)
	asked := 0
	scene.Rediscovered = func() target.Probe {
		if len(function.did()) != 0 {
			t.Error("what counts as anew is settled too late")
		}
		return func(context.Context) error {
			if asked++; asked < 3 {
				return errors.New("not yet")
			}
			return nil
		}
	}
	driver, err := New(lookup(t, "restart-function"), scene, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Between(t.Context()); err != nil || asked != 3 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

// TestTheTargetIsToBlame: what a target does not survive, or not in the way that it should, is its failure.
func TestTheTargetIsToBlame(t *testing.T) {
	for name, c := range map[string]struct {
		does disturbance
		harm func(proxy, function *process)
		says string
	}{
		"the proxy does not start":    {proxyKilled, func(proxy, _ *process) { proxy.broken = true }, "its last words"},
		"its exit status":             {proxyRestarted, func(proxy, _ *process) { proxy.exit = 7 }, "exit status 7"},
		"the function does not start": {functionKilled, func(_, function *process) { function.broken = true }, "nothing answers"},
	} {
		scene, proxy, function, _ := newScene(t)
		c.harm(proxy, function)
		driver, err := New(only(lookup(t, "kills"), c.does), scene, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		_, err = driver.Disturb(t.Context(), &busy{})
		var failure *suite.Failure
		if !errors.As(err, &failure) || !strings.Contains(failure.Got, c.says) || !strings.Contains(err.Error(), "disturbance 1 of 1, after ") {
			t.Errorf("%s: %v", name, err)
		}
		if err := echoes(scene.Links[Function]); err != nil {
			t.Errorf("%s: the link is left cut: %v", name, err)
		}
	}
}

// TestWorkThatStandsStillIsAFailure, after the bound and not before.
func TestWorkThatStandsStillIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		driver, err := New(lookup(t, Plain), &Scene{}, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = driver.Disturb(t.Context(), idleWork{})
		var failure *suite.Failure
		if !errors.As(err, &failure) || time.Since(began) != recovery {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		interrupted := errors.New("Ctrl-C")
		cancel(interrupted)
		if _, err := driver.Disturb(ctx, idleWork{}); !errors.Is(err, interrupted) {
			t.Errorf("interrupted: %v", err)
		}
	})
}

// TestWorkMustGoOnAfterTheLastDisturbance: a proxy that is up and does nothing any more has not come back.
func TestWorkMustGoOnAfterTheLastDisturbance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proxy := newProcess()
		scene := &Scene{Proxy: proxy, Serving: func(context.Context) error { return proxy.running() }, StartTimeout: time.Second}
		driver, err := New(only(lookup(t, "restart-proxy"), proxyRestarted), scene, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		_, err = driver.Disturb(t.Context(), worksUntil{proxy, 2})
		var failure *suite.Failure
		if !errors.As(err, &failure) || !strings.Contains(failure.Expected, "since disturbance 2, ") {
			t.Errorf("%v", err)
		}
	})
}

// worksUntil is work that stands still when the process has been launched so often.
type worksUntil struct {
	process  *process
	launches int
}

func (w worksUntil) Await(ctx context.Context, _ int64) error {
	if len(w.process.did()) < 2*w.launches {
		return nil
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestWorkWithoutDisturbances: where nothing can be disturbed, there is work all the same, more of it where something else differs.
func TestWorkWithoutDisturbances(t *testing.T) {
	for name, want := range map[string]int64{Plain: little, "tiny-passivation": 100 * worth} {
		driver, err := New(lookup(t, name), &Scene{}, 1, 100)
		if err != nil {
			t.Fatal(err)
		}
		work := &busy{}
		figures, err := driver.Disturb(t.Context(), work)
		if err != nil || work.done != want || !strings.Contains(figures, "environment "+name+", seed 1: no disturbances") {
			t.Errorf("%s: %v, %q, %d operations", name, err, figures, work.done)
		}
	}
}

// TestLinksAreLate: on slow links every way is late from the start.
func TestLinksAreLate(t *testing.T) {
	link := newLink(t)
	e := lookup(t, "slow-links")
	e.slow = 100 * time.Millisecond
	if err := late(map[Hop]*Link{Proxy: link}, e.slow); err != nil {
		t.Fatal(err)
	}
	if toxics := link.relay.Toxics.GetToxicArray(); len(toxics) != 2 {
		t.Errorf("%d toxics, want one each way", len(toxics))
	}
	if err := echoes(link); err != nil {
		t.Error(err)
	}
	if _, err := New(e, &Scene{Links: map[Hop]*Link{Proxy: link}}, 1, 1); err == nil {
		t.Error("a link that is late twice over is no error")
	}
}

func TestALinkThatIsCutRefuses(t *testing.T) {
	link := newLink(t)
	address := link.Address()
	if err := echoes(link); err != nil {
		t.Fatal(err)
	}
	link.Cut()
	if err := echoes(link); err == nil {
		t.Error("a link that is cut carries")
	}
	if err := link.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := echoes(link); err != nil || link.Address() != address {
		t.Errorf("mended: %v, at %s instead of %s", err, link.Address(), address)
	}
	if _, err := NewLink(address, "127.0.0.1:1"); err == nil {
		t.Error("two links at one address are no error")
	}
}
