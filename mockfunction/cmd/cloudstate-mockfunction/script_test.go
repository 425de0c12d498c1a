package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace/mockcli"
)

// facing runs the command, with what a person types, and, when it serves, a proxy that opens an instance and wants a reply to its command: replied is
// whether it got that.
func facing(t *testing.T, typed string, args ...string) (code int, replied bool, stdout, stderr string) {
	t.Helper()
	read, write := io.Pipe()
	var out bytes.Buffer
	exit := make(chan int, 1)
	go func() {
		code := run(t.Context(), append(args, "--port", "0"), mockcli.Stdio{In: strings.NewReader(typed), Out: &out, Err: write})
		_ = write.Close()
		exit <- code
	}()
	lines := bufio.NewReader(read)
	first, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	rest := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(lines)
		rest <- string(text)
	}()
	if _, address, serves := strings.Cut(strings.TrimSpace(first), "serving on "); serves {
		p, err := mockproxy.Dial(address)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		s, err := p.EventSourced(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Cancel()
		if err := s.Init(model.EventSourcedService, "e"); err != nil {
			t.Fatal(err)
		}
		if err := s.Command(5, "Process", nil); err != nil {
			t.Fatal(err)
		}
		replied = s.ExpectReply(t.Context(), &eventsourced.EventSourcedReply{CommandId: 5}) == nil
	}
	return <-exit, replied, out.String(), first + <-rest
}

func TestScriptAndPrompt(t *testing.T) {
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const begin = "as: function\nsteps:\n  - open: event-sourced\n  - expect: {init: {entity_id: e}}\n  - expect: {command: {id: 5}}\n  - send: {reply: {command_id: $command}}\n"
	for _, c := range []struct {
		script string
		code   int
		want   string
	}{
		{write("met.yaml", begin+"  - close:"), 0, "frontend -> proxy [1 EventSourced/handle] message"},
		{write("unmet.yaml", strings.Replace(begin, "id: 5", "id: 6", 1)), 1, "unmet.yaml:5:13: expect: stream"},
		{write("bad.yaml", begin+"  - fly:"), 2, `bad.yaml:7:5: unknown verb "fly"`},
	} {
		if code, replied, _, said := facing(t, "", "script", c.script, "--trace"); code != c.code || replied != (c.code == 0) || !strings.Contains(said, c.want) {
			t.Errorf("%s: exit %d (replied %t), want %d with %s:\n%s", c.script, code, replied, c.code, c.want, said)
		}
	}
	code, replied, shown, said := facing(t, "list\nopen: event-sourced\nexpect: {init: {}}\nexpect: {command: {}}\nsend: {reply: {command_id: $command}}\nclose\n", "prompt")
	if code != 0 || !replied || !strings.Contains(shown, "cloudstate.action.ActionProtocol "+model.ActionService) || !strings.Contains(shown, `message {"reply": {"command_id": 5}}`) {
		t.Errorf("exit %d:\n%s%s", code, shown, said)
	}
}
