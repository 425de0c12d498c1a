package frontend

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// conforming is a frontend without a fault: the mock function with the kit's own models.
func conforming() mockfunction.Config {
	return mockfunction.Config{
		Spec: model.Spec(), EventSourced: model.EventSourced{}.New, ValueEntity: model.ValueEntity, Action: model.Action,
	}
}

func start(t *testing.T, cfg mockfunction.Config) *mockfunction.Function {
	t.Helper()
	f := mockfunction.New(cfg)
	if err := f.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Kill)
	return f
}

// needsProcess reports whether only a frontend that the kit starts as a process can be judged by c.
func needsProcess(c suite.Case) bool {
	for _, need := range c.Needs {
		if need == suite.NeedFrontendProcess {
			return true
		}
	}
	return false
}

func execute(c suite.Case, f *mockfunction.Function, limit time.Duration) (suite.Outcome, *trace.Recorder) {
	rec := trace.NewRecorder(0)
	env := suite.Env{Target: "mockfunction", Nonce: "n", Trace: rec, Frontend: &suite.FrontendTarget{Address: f.Addr()}}
	return suite.Execute(context.Background(), c, env, limit), rec
}

func TestCasesAreWellFormed(t *testing.T) {
	if err := suite.Check(Cases()); err != nil {
		t.Error(err)
	}
}

func TestConformingFrontendPasses(t *testing.T) {
	f := start(t, conforming())
	for _, c := range Cases() {
		if needsProcess(c) {
			continue
		}
		t.Run(strings.ReplaceAll(c.ID, "/", "_"), func(t *testing.T) {
			t.Parallel()
			if o, rec := execute(c, f, time.Minute); o.Result != suite.Passed {
				t.Errorf("%s: %v %s\n%s", o.Result, o.Failure, o.Reason, rec)
			}
		})
	}
}

// TestRestartingFrontendPasses holds the cases to the choice that ES-32 leaves.
func TestRestartingFrontendPasses(t *testing.T) {
	cfg := conforming()
	cfg.EventSourced = model.EventSourced{RestartOnFailure: true}.New
	f := start(t, cfg)
	for _, c := range Cases() {
		if strings.HasPrefix(c.ID, "es/frontend/failure") {
			if o, rec := execute(c, f, time.Minute); o.Result != suite.Passed {
				t.Errorf("%s: %s %v %s\n%s", c.ID, o.Result, o.Failure, o.Reason, rec)
			}
		}
	}
}
