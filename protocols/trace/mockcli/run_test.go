package mockcli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// grammar is a program whose command echoes, and ends as it is told.
type grammar struct {
	Echo echo `cmd:"" default:"withargs"`
	Loud loud `cmd:""`
}

type echo struct {
	End string
}

type loud struct {
	echo
	Volume int `required:"true" help:"How loud."`
}

func (e *echo) Run(ctx context.Context, stdio Stdio) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, err := io.Copy(stdio.Out, stdio.In); err != nil {
		return err
	}
	switch e.End {
	case "wrong":
		return errors.New("no such file")
	case "unmet":
		return Unmet{Why: errors.New("no answer")}
	case "said":
		return Unmet{}
	case "replayed":
		return Replayed(stdio, 3, nil, nil)
	case "different":
		return Replayed(stdio, 3, []error{errors.New("the difference")}, nil)
	case "broken off":
		return Replayed(stdio, 3, []error{errors.New("the difference")}, errors.New("no peer"))
	}
	return nil
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		args     []string
		status   int
		out, err string
	}{
		{nil, 0, "typed", ""},
		{[]string{"echo", "--end=wrong"}, 2, "typed", "program: no such file\n"},
		{[]string{"--end=unmet"}, 1, "typed", "program: no answer\n"},
		{[]string{"--end=said"}, 1, "typed", ""},
		{[]string{"--end=replayed"}, 0, "typed3 recorded messages replayed, 0 differences\n", ""},
		{[]string{"--end=different"}, 1, "typedthe difference\n\n3 recorded messages replayed, 1 differences\n", ""},
		{[]string{"--end=broken off"}, 2, "typedthe difference\n\n", "program: no peer\n"},
		{[]string{"loud"}, 2, "", "program: missing flags: --volume=INT (--help shows the usage)\n"},
		{[]string{"--no-such"}, 2, "", "program: unknown flag --no-such (--help shows the usage)\n"},
	} {
		var out, err bytes.Buffer
		status := Run(t.Context(), c.args, Stdio{In: strings.NewReader("typed"), Out: &out, Err: &err}, &grammar{}, kong.Name("program"))
		if status != c.status || out.String() != c.out || err.String() != c.err {
			t.Errorf("%v: exit status %d\nout: %s\nerr: %s", c.args, status, &out, &err)
		}
	}
}

// TestHelpRunsNothing, and misses nothing.
func TestHelpRunsNothing(t *testing.T) {
	var out, err bytes.Buffer
	status := Run(t.Context(), []string{"loud", "--help"}, Stdio{In: strings.NewReader("typed"), Out: &out, Err: &err}, &grammar{}, kong.Name("program"))
	if status != 0 || !strings.Contains(out.String(), "How loud.") || strings.Contains(out.String(), "typed") || err.Len() > 0 {
		t.Errorf("exit status %d\nout: %s\nerr: %s", status, &out, &err)
	}
}

func TestCommandsGetTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, err bytes.Buffer
	status := Run(ctx, nil, Stdio{In: strings.NewReader("typed"), Out: &out, Err: &err}, &grammar{}, kong.Name("program"))
	if status != 2 || err.String() != "program: context canceled\n" {
		t.Errorf("exit status %d: %s", status, &err)
	}
}

// TestAGrammarThatMakesNoSense is the programmer's mistake, and still no panic.
func TestAGrammarThatMakesNoSense(t *testing.T) {
	var err bytes.Buffer
	if status := Run(t.Context(), nil, Stdio{Err: &err}, grammar{}); status != 2 || err.Len() == 0 {
		t.Errorf("exit status %d: %s", status, &err)
	}
}
