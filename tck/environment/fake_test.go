package environment

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stateful-serverless/cloudstate/tck/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// process is a target that only counts what is done to it.
type process struct {
	mu     sync.Mutex
	down   bool
	exited chan struct{}
	done   []string
	exit   int  // of an orderly stop
	broken bool // does not start any more
}

func newProcess() *process { return &process{exited: make(chan struct{})} }

func (p *process) start(what string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, what)
	if !p.down {
		return errors.New("it runs already")
	}
	p.down, p.exited = false, make(chan struct{})
	if p.broken {
		p.down = true
		close(p.exited)
	}
	return nil
}

func (p *process) end(what string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, what)
	if p.down {
		return errors.New("it does not run")
	}
	p.down = true
	close(p.exited)
	return nil
}

func (p *process) did() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.done...)
}

func (p *process) running() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return errors.New("nothing answers")
	}
	return nil
}

func (p *process) Controlled() bool { return true }
func (p *process) Start(context.Context, ...string) error {
	if err := p.start("start"); err != nil {
		return err
	}
	return p.running()
}
func (p *process) Launch(context.Context, ...string) error { return p.start("launch") }
func (p *process) Ready(context.Context) error             { return p.running() }
func (p *process) Stop(context.Context) (int, error)       { return p.exit, p.end("stop") }
func (p *process) Signal() error                           { return p.end("signal") }
func (p *process) Interrupt() error                        { return p.end("interrupt") }
func (p *process) Wait(context.Context) (int, error)       { return p.exit, nil }
func (p *process) Kill(context.Context) error              { return p.end("kill") }
func (p *process) Logs(int) []string                       { return []string{"its last words"} }
func (p *process) Exited() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exited
}

// storeTarget counts what is done to it.
type storeTarget struct{ away, back int }

func (s *storeTarget) Away(context.Context) error { s.away++; return nil }
func (s *storeTarget) Back(context.Context) error { s.back++; return nil }

// busy is work of which there is always enough.
type busy struct{ done int64 }

func (b *busy) Await(_ context.Context, n int64) error { b.done += n; return nil }

// idleWork is work that stands still.
type idleWork struct{}

func (idleWork) Await(ctx context.Context, _ int64) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// echo answers every byte with itself.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				_, _ = io.Copy(conn, conn) // ends with the connection
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return listener.Addr().String()
}

func newLink(t *testing.T) *Link {
	t.Helper()
	link, err := NewLink("127.0.0.1:0", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	return link
}

// echoes sends a word over the link and wants it back.
func echoes(link *Link) error {
	conn, err := net.DialTimeout("tcp", link.Address(), time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	const word = "hello"
	if _, err := io.WriteString(conn, word); err != nil {
		return err
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != word {
		return errors.New("another word came back")
	}
	return nil
}

// newScene is a scene on which everything is possible.
func newScene(t *testing.T) (s *Scene, proxy, function *process, store *storeTarget) {
	t.Helper()
	proxy, function, store = newProcess(), newProcess(), &storeTarget{}
	s = &Scene{
		Proxy: proxy, Function: function, Store: store,
		Links:        map[Hop]*Link{Proxy: newLink(t), Function: newLink(t), Store: newLink(t)},
		Serving:      func(context.Context) error { return proxy.running() },
		Rediscovered: func() target.Probe { return func(context.Context) error { return proxy.running() } },
		Reconnect:    func() {},
		StartTimeout: 10 * time.Second,
	}
	return s, proxy, function, store
}
