package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestReadiness(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/up" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		_ = server.Close()
		<-served
	}()
	address := listener.Addr().String()
	p := shell(t, `echo "port: 42"; cat`, nil)
	if err := p.Launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := Await(t.Context(), func(context.Context) error {
		if p.Said() == "" {
			return errors.New("silent")
		}
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ready Ready
		want  string
	}{
		{Ready{}, ""},
		{Ready{Port: true, HTTP: "/up", Log: `port: (?P<n>\d+)`, Command: []string{"true"}}, ""},
		{Ready{HTTP: "/down"}, "503"},
		{Ready{Log: `port: \d{3}`}, "nothing that it wrote matches"},
		{Ready{Command: []string{"sh", "-c", "echo no luck; exit 3"}}, "exit status 3; it said: no luck"},
		{Ready{Command: []string{"sh", "-c", "yes | head -c 10000000; echo late; exit 3"}}, "\ny\ny\nlate"},
	} {
		probe, err := tt.ready.Probe(p, address, address)
		if err != nil {
			t.Fatal(err)
		}
		if err := probe(t.Context()); (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || len(err.Error()) > 500) {
			t.Errorf("%+v: %v, want %q", tt.ready, err, tt.want)
		}
	}
	if probe, err := (Ready{Port: true}).Probe(p, "127.0.0.1:1", ""); err != nil || probe(t.Context()) == nil {
		t.Errorf("a closed port is ready, or %v", err)
	}
	if match := (Ready{Log: `port: (?P<n>\d+)`}).Match(p.Said()); match["n"] != "42" {
		t.Errorf("match %v", match)
	}
	if _, err := (Ready{Log: "("}).Probe(p, "", ""); err == nil {
		t.Error("a pattern that is none is taken")
	}
}

// What was said before a launch is no sign of readiness after it.
func TestSaidIsOfTheLatestLaunch(t *testing.T) {
	p := shell(t, `echo "launch $N"`, nil)
	for _, n := range []string{"1", "2"} {
		if err := p.Launch(t.Context(), "N="+n); err != nil {
			t.Fatal(err)
		}
		<-p.Exited()
		if said := p.Said(); !strings.HasPrefix(said, "launch "+n+"\n") || strings.Count(said, "launch") != 1 {
			t.Errorf("launch %s: said %q", n, said)
		}
	}
}

// What a command of readiness leaves behind ends with the target that it was asked of.
func TestCloseEndsWhatACommandLeftBehind(t *testing.T) {
	p := shell(t, "cat", nil)
	if err := p.Launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Succeeds(t.Context(), []string{"sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &"}); err != nil {
		t.Fatal(err)
	}
	if err := Await(t.Context(), func(context.Context) error {
		for _, pid := range marked(p.marker) {
			if command, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && string(command) == "sleep\n" {
				return nil
			}
		}
		return errors.New("it does not sleep yet")
	}, nil); err != nil {
		t.Fatal(err)
	}
	p.Close(t.Context())
	if err := Await(t.Context(), func(context.Context) error {
		if left := marked(p.marker); len(left) > 0 {
			return fmt.Errorf("left behind: %v", left)
		}
		return nil
	}, nil); err != nil {
		t.Error(err)
	}
}
