package userfunction

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// converse sends a message and expects it back.
func converse(s *Stream, text string) error {
	if err := s.Send([]byte(text)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	got, err := s.Recv()
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	if string(got) != text {
		return fmt.Errorf("received %q, want %q", got, text)
	}
	return nil
}

// openAll opens streams, 100 at a time, and uses each once.
func openAll(t testing.TB, p *Pool, n int) []*Stream {
	t.Helper()
	ctx := within(t)
	streams := make([]*Stream, n)
	var group errgroup.Group
	group.SetLimit(100)
	for i := range streams {
		group.Go(func() (err error) {
			if streams[i], err = p.EntityStream(ctx, method); err != nil {
				return err
			}
			return converse(streams[i], fmt.Sprint("hello ", i))
		})
	}
	check(t, group.Wait())
	return streams
}

func useAll(t testing.TB, streams []*Stream) {
	t.Helper()
	for i, s := range streams {
		if err := converse(s, fmt.Sprint("again ", i)); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
}

func endAll(t testing.TB, streams []*Stream) {
	t.Helper()
	for _, s := range streams {
		check(t, s.CloseSend())
		if _, err := s.Recv(); !errors.Is(err, io.EOF) {
			t.Fatalf("end of stream: %v, want io.EOF", err)
		}
	}
}

// shortCalls makes some of the calls that must never wait behind streams.
func shortCalls(t testing.TB, p *Pool) {
	t.Helper()
	ctx := within(t)
	// The functions here echo: only the empty message is a sound answer too.
	if _, err := p.Discover(ctx, &cloudstate.ProxyInfo{}); err != nil {
		t.Fatalf("discover: %v", err)
	}
	var group errgroup.Group
	for i := range 20 {
		group.Go(func() error {
			out, err := p.ActionUnary(ctx, "/some.Action/call", []byte{byte(i), 1, 2})
			if err == nil && !bytes.Equal(out, []byte{byte(i), 1, 2}) {
				err = fmt.Errorf("answer %v", out)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("action: %v", err)
	}
}

// ask asks what the user function serves and, as if that were served now, lets it have commands.
func ask(t testing.TB, p *Pool) {
	t.Helper()
	_, err := p.Discover(within(t), &cloudstate.ProxyInfo{})
	check(t, err)
	p.Admit()
}

// lossAnnounced waits until the pool says that the user function was lost.
func lossAnnounced(t testing.TB, p *Pool) {
	t.Helper()
	select {
	case <-p.Disconnected():
	case <-time.After(bound):
		t.Fatal("the loss was not announced")
	}
}

func usableLinks(p *Pool, ln *lane) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(ln.links)
}

func newestLink(p *Pool, ln *lane) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(ln.links) == 0 {
		return nil
	}
	return ln.links[len(ln.links)-1]
}
