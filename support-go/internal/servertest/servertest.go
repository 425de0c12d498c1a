// Package servertest runs a user function in a test. What enters: a server definition. What leaves: its address and its
// log; it is stopped with the test. It never talks to the server itself.
package servertest

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

// Start serves on a free loopback port until the test ends, which fails if the server does. It returns the address and
// the log so far, as text.
func Start(t *testing.T, server *cloudstate.Server) (address string, logged func() string) {
	t.Helper()
	log := &lockedBuffer{}
	server.Logger = slog.New(slog.NewTextHandler(log, nil))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return listener.Addr().String(), log.String
}

type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}
