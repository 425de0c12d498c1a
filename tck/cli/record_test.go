package cli

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	modelpb "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/protocols/trace/tracefile"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// TestRecord has a conversation through the recorder, with a message that is larger than what recorders keep, and reads the file.
func TestRecord(t *testing.T) {
	function := mockfunction.New(suite.ModelFunction())
	if err := function.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer function.Kill()
	out := filepath.Join(t.TempDir(), "a.trace")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	read, write := io.Pipe()
	var stdout bytes.Buffer
	exit := make(chan int, 1)
	go func() {
		exit <- Run(ctx, []string{"record", "--listen", "127.0.0.1:0", "--function", function.Addr(), "--out", out, "--note", "a test"}, Stdio{Out: &stdout, Err: write})
	}()
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(line, "the proxy, at ")
	address, _, _ = strings.Cut(address, ",")
	large := strings.Repeat("x", 200<<10)
	converse(t, address, large)
	stop()
	if code := <-exit; code != ExitOK || !strings.Contains(stdout.String(), " messages in "+out) {
		t.Errorf("exit status %d, %s", code, &stdout)
	}
	file, err := tracefile.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	if file.Header.Note != "a test" || !strings.HasPrefix(file.Header.MadeBy, "cloudstate-tck") {
		t.Errorf("header %+v", file.Header)
	}
	kinds, found := map[trace.Kind]int{}, false
	halfClosed := false
	for _, m := range file.Messages {
		kinds[m.Kind]++
		halfClosed = halfClosed || m.Kind == trace.HalfClose && m.Method == eventsourced.EventSourced_Handle_FullMethodName
		if in, ok := m.Payload.(*eventsourced.EventSourcedStreamIn); ok {
			var request modelpb.Request
			if in.GetCommand() != nil && in.GetCommand().GetPayload().UnmarshalTo(&request) == nil {
				found = request.GetId() == large
			}
		}
	}
	if !found {
		t.Error("the large command is not in the file")
	}
	// discover, whose answer may overtake the half-close, and a stream with init, command and reply that is half-closed.
	if kinds[trace.Open] != 2 || kinds[trace.Data] != 5 || !halfClosed || kinds[trace.HalfClose] > 2 || kinds[trace.Status] != 2 {
		t.Errorf("recorded %v", kinds)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others may read what clients sent", info.Mode(), err)
	}
	if status, _, errs := here(t, "record", "--function", "x:1", "--out", out); status != ExitUsage || !strings.Contains(errs, "not there yet") {
		t.Errorf("exit status %d over an old file: %s", status, errs)
	}
	second := filepath.Join(t.TempDir(), "b.trace")
	if status, _, errs := here(t, "record", "--listen", function.Addr(), "--function", "x:1", "--out", second); status != ExitUsage || !strings.Contains(errs, "--listen") {
		t.Errorf("exit status %d at a busy address: %s", status, errs)
	}
	if _, err := os.Stat(second); err == nil {
		t.Error("a recording that never began left a file")
	}
}

// converse discovers, sends one command to an event sourced entity, and passivates it.
func converse(t *testing.T, address, id string) {
	t.Helper()
	proxy, err := mockproxy.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := proxy.Discover(ctx, &cloudstate.ProxyInfo{}); err != nil {
		t.Fatal(err)
	}
	stream, err := proxy.EventSourced(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Init("cloudstate.tck.model.EventSourcedTckModel", "e"); err != nil {
		t.Fatal(err)
	}
	if err := stream.Command(1, "Process", &modelpb.Request{Id: id}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(ctx); err != nil {
		t.Fatal(err)
	}
	if err := stream.Passivate(ctx); err != nil {
		t.Fatal(err)
	}
}
