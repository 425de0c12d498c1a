package journaltest

import (
	"context"
	"net"
	"sync"
	"testing"
)

// Relay is a Link: a TCP relay between a handle and its server. A handle that connects to
// Addr instead of the server's address is at the suite's mercy.
type Relay struct {
	target   string
	listener net.Listener
	done     sync.WaitGroup

	mu    sync.Mutex
	state linkState
	met   chan struct{} // closed when the disturbance met something
	freed chan struct{} // closed by Heal
	muted map[net.Conn]bool
	conns map[net.Conn]bool
	ended bool
}

type linkState int

const (
	linkWell linkState = iota
	linkHeld
	linkMuted
)

var _ Link = (*Relay)(nil)

// NewRelay relays to the server at target, "host:port", until t ends. It is well at first.
func NewRelay(t *testing.T, target string) *Relay {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{target: target, listener: l, muted: map[net.Conn]bool{}, conns: map[net.Conn]bool{}}
	r.done.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

// Addr is where a handle connects to, "127.0.0.1:port".
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Hold implements Link.
func (r *Relay) Hold() <-chan struct{} { return r.disturb(linkHeld) }

// Mute implements Link.
func (r *Relay) Mute() <-chan struct{} { return r.disturb(linkMuted) }

func (r *Relay) disturb(s linkState) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state, r.met, r.freed = s, make(chan struct{}), make(chan struct{})
	return r.met
}

// Heal implements Link.
func (r *Relay) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == linkWell {
		return
	}
	r.state = linkWell
	close(r.freed)
	for c := range r.muted {
		_ = c.Close()
	}
	clear(r.muted)
}

func (r *Relay) close() {
	r.Heal()
	_ = r.listener.Close()
	r.mu.Lock()
	r.ended = true
	for c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.done.Wait()
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.done.Go(func() { r.serve(client) })
	}
}

// serve relays one connection until either side ends it.
func (r *Relay) serve(client net.Conn) {
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", r.target)
	if err != nil {
		_ = client.Close()
		return
	}
	if !r.keep(client, server) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { r.pump(client, server, linkHeld, client) })
	both.Go(func() { r.pump(server, client, linkMuted, client) })
	both.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, client)
	delete(r.conns, server)
	delete(r.muted, client)
}

// keep makes sure that close ends both connections.
func (r *Relay) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		if r.ended {
			_ = c.Close()
		}
		r.conns[c] = true
	}
	return !r.ended
}

// pump copies from one side to the other, until an error, and ends both then. when is the
// state that concerns this direction.
func (r *Relay) pump(from, to net.Conn, when linkState, client net.Conn) {
	defer func() { _, _ = from.Close(), to.Close() }()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && r.pass(when, client) {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass says whether bytes go on; it waits while they are held back.
func (r *Relay) pass(when linkState, client net.Conn) bool {
	r.mu.Lock()
	if r.state != when {
		swallow := r.muted[client] && when == linkMuted
		r.mu.Unlock()
		return !swallow
	}
	freed := r.freed
	select {
	case <-r.met:
	default:
		close(r.met)
	}
	if when == linkMuted {
		r.muted[client] = true
		r.mu.Unlock()
		return false
	}
	r.mu.Unlock()
	<-freed
	return true
}
