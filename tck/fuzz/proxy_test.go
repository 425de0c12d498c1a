package fuzz

import (
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
)

// A proxy that fails command after command, where it may fail those that met a stream which was left to fail, is found.
func TestStreamsDoNotFailForEver(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stuck := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		return status.Error(codes.Unknown, "Unexpected entity reply")
	}))
	served := make(chan error, 1)
	go func() { served <- stuck.Serve(listener) }()
	defer func() {
		stuck.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	f, err := newFunction("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	side, err := newProxySide(listener.Addr().String(), 10*time.Second, f)
	if err != nil {
		t.Fatal(err)
	}
	defer side.close()
	key := entityKey{model.EventSourcedService, "stuck"}
	run := side.register(EventSourced, key)
	defer side.unregister(key)
	call := func() *entityCall {
		return &entityCall{
			payload: mutated(&esmodel.Request{Id: key.id}, nil),
			came:    make(chan struct{}), gone: make(chan struct{}), done: make(chan struct{}),
		}
	}
	for _, before := range []fate{alive, unclear} {
		_, err := side.step(t.Context(), run, "/"+model.EventSourcedService+"/Process", call, before, true)
		if err == nil || !strings.Contains(err.Error(), "SERV-19") {
			t.Errorf("after fate %d: %v", before, err)
		}
	}
}
