package fuzz

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// bugVariable has the test binary be a frontend with that bug.
const bugVariable = "FUZZ_BUG"

// bug is an instance of the model with something wrong.
type bug struct {
	mockfunction.EventSourcedInstance
	command func(c *cloudstate.Command, right *protocol.EventSourcedReply) *protocol.EventSourcedReply
}

func (b bug) Command(c *cloudstate.Command) *protocol.EventSourcedReply {
	return b.command(c, b.EventSourcedInstance.Command(c))
}

// leaked is what the leaking frontend never gives back.
var leaked [][]byte

// bugs are what the fuzzer must find, by name: what a frontend does with a command and the right reply to it.
var bugs = map[string]func(*cloudstate.Command, *protocol.EventSourcedReply) *protocol.EventSourcedReply{
	"none": func(_ *cloudstate.Command, right *protocol.EventSourcedReply) *protocol.EventSourcedReply {
		return right
	},
	"crash": func(c *cloudstate.Command, right *protocol.EventSourcedReply) *protocol.EventSourcedReply {
		if c.GetId() == 2147483647 {
			os.Exit(3)
		}
		return right
	},
	"hang": func(c *cloudstate.Command, right *protocol.EventSourcedReply) *protocol.EventSourcedReply {
		if c.GetId() < 0 {
			return nil
		}
		return right
	},
	"wrong id": func(c *cloudstate.Command, right *protocol.EventSourcedReply) *protocol.EventSourcedReply {
		if c.GetId() == 0 {
			right.CommandId = 1
		}
		return right
	},
	"leak": func(c *cloudstate.Command, right *protocol.EventSourcedReply) *protocol.EventSourcedReply {
		if c.GetId() > 0 {
			leaked = append(leaked, slices.Repeat([]byte{1}, 128<<10))
		}
		return right
	},
}

// modelWith is the TCK's model, whose event sourced entities treat commands in this way.
func modelWith(command func(*cloudstate.Command, *protocol.EventSourcedReply) *protocol.EventSourcedReply) *mockfunction.Function {
	return mockfunction.New(mockfunction.Config{
		Spec: model.Spec(), ValueEntity: model.ValueEntity, Action: model.Action,
		EventSourced: func(init *protocol.EventSourcedInit) mockfunction.EventSourcedInstance {
			instance := (model.EventSourced{}).New(init)
			if instance == nil {
				return nil
			}
			return bug{instance, command}
		},
	})
}

// asTarget returns what the test binary does in place of testing when it is started as a frontend; nil when it is not.
func asTarget() func() {
	command := bugs[os.Getenv(bugVariable)]
	if command == nil {
		return nil
	}
	return func() {
		function := modelWith(command)
		if err := function.Start("127.0.0.1:" + os.Getenv("PORT")); err != nil {
			panic(err)
		}
		over := make(chan os.Signal, 1)
		signal.Notify(over, syscall.SIGTERM)
		<-over
		function.Kill()
	}
}

// frontendWith is the configuration of a short run on such a frontend.
func frontendWith(t *testing.T, name string) Config {
	t.Helper()
	ref, err := target.Parse(target.Frontend, "exec:"+bugVariable+"='"+name+"' exec "+os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Target: ref, Seed: 1, Conversations: 20_000, Workers: 16, Patience: 30 * time.Second, StartTimeout: time.Minute,
		Shrink:      10 * time.Minute, // it ends when nothing shorter fails: on a slow machine that takes its time
		MaxFailures: 1,
	}
}

// A frontend that keeps the protocol is found without fault, and its memory is seen.
func TestKeepsQuiet(t *testing.T) {
	t.Parallel()
	config := frontendWith(t, "none")
	config.Conversations = 600
	report, err := Run(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	for _, failure := range report.Failures {
		t.Errorf("%v", failure.Err)
	}
	if report.Conversations != config.Conversations || report.Peak == 0 {
		t.Errorf("%+v", report)
	}
}

// Each planted bug is found within the default budget, shortened, and found again by holding its case; a right frontend passes that.
func TestFindsPlantedBugs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"crash": "crashed", "wrong id": "ES-18"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := frontendWith(t, name)
			report, err := Run(t.Context(), config)
			if err != nil || len(report.Failures) != 1 {
				t.Fatalf("%d failures, %v", len(report.Failures), err)
			}
			failure := report.Failures[0]
			if !failure.Stable || !strings.Contains(failure.Err.Error(), want) {
				t.Errorf("stable %v: %v, want %q", failure.Stable, failure.Err, want)
			}
			// An init, and the command that is one too many for the target.
			if c := failure.Case.Conversations; len(c) != 1 || len(c[0].Steps) > 2 {
				t.Errorf("shortened to %s", failure.Case)
			}
			var wrong *Violation
			if err := Hold(t.Context(), config, failure.Case); !errors.As(err, &wrong) {
				t.Errorf("held again: %v", err)
			}
			if err := Hold(t.Context(), frontendWith(t, "none"), failure.Case); err != nil {
				t.Errorf("held with a frontend that is right: %v", err)
			}
		})
	}
}

// A command that is never answered ends the wait, not the run. Shortening it would take the wait each time.
func TestFindsHangs(t *testing.T) {
	t.Parallel()
	config := frontendWith(t, "hang")
	config.Patience, config.Shrink = 15*time.Second, 0
	report, err := Run(t.Context(), config)
	if err != nil || len(report.Failures) != 1 || !report.Failures[0].Stable || !strings.Contains(report.Failures[0].Err.Error(), "within the bound") {
		t.Errorf("%+v, %v", report.Failures, err)
	}
}

// Memory that is not given back ends the run.
func TestFindsLeaks(t *testing.T) {
	t.Parallel()
	config := frontendWith(t, "leak")
	config.WarmUp = 200
	report, err := Run(t.Context(), config)
	if err != nil || len(report.Failures) != 1 || !strings.Contains(report.Failures[0].Err.Error(), "MiB") {
		t.Errorf("%+v, %v", report.Failures, err)
	}
}

// A target that does not come up is no fault of its conversations.
func TestNoTarget(t *testing.T) {
	t.Parallel()
	config := frontendWith(t, "none")
	config.Target.Value, config.StartTimeout = "exit 1", 5*time.Second
	if _, err := Run(t.Context(), config); !errors.Is(err, target.ErrExited) {
		t.Errorf("%v", err)
	}
	if err := Hold(t.Context(), config, Case{}); !errors.Is(err, target.ErrExited) {
		t.Errorf("%v", err)
	}
}

// A run that is stopped in the middle ends, without a failure.
func TestStops(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var commands atomic.Int64
	function := modelWith(func(_ *cloudstate.Command, right *protocol.EventSourcedReply) *protocol.EventSourcedReply {
		if commands.Add(1) == 100 {
			stop()
		}
		return right
	})
	if err := function.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer function.Kill()
	config := frontendWith(t, "none")
	var err error
	if config.Target, err = target.Parse(target.Frontend, "addr:"+function.Addr()); err != nil {
		t.Fatal(err)
	}
	config.Conversations = 1 << 40
	report, err := Run(ctx, config)
	if err != nil || len(report.Failures) > 0 || report.Conversations == 0 {
		t.Errorf("%d conversations, failures %+v, %v", report.Conversations, report.Failures, err)
	}
}
