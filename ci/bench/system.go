package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// system is every process of a run.
type system struct {
	settings *settings
	self     string // this program
	stopping []*process
}

func newSystem(s *settings) (*system, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &system{settings: s, self: self}, nil
}

// stop ends all processes, the last started first.
func (s *system) stop() error {
	var errs []error
	for i := len(s.stopping) - 1; i >= 0; i-- {
		errs = append(errs, s.stopping[i].stop())
	}
	s.stopping = nil
	return errors.Join(errs...)
}

// end stops one process now.
func (s *system) end(p *process) error {
	for i, other := range s.stopping {
		if other == p {
			s.stopping = append(s.stopping[:i], s.stopping[i+1:]...)
			break
		}
	}
	return p.stop()
}

func (s *system) spawn(ctx context.Context, name, path string, env []string, args ...string) (*process, error) {
	p, err := spawn(ctx, name, path, env, args...)
	if err == nil {
		s.stopping = append(s.stopping, p)
	}
	return p, err
}

// child starts this program again, as one of the floor's processes, and waits until it listens.
func (s *system) child(ctx context.Context, args ...string) (*process, error) {
	p, err := s.spawn(ctx, "bench "+args[0], s.self, nil, args...)
	if err != nil {
		return nil, err
	}
	return p, p.listening()
}

// function starts the user function and waits until it listens.
func (s *system) function(ctx context.Context, addr string) (*process, error) {
	p, err := s.spawn(ctx, "bench-function", s.settings.Function, nil, "--addr", addr)
	if err != nil {
		return nil, err
	}
	return p, p.listening()
}

// proxy starts a proxy on a store of its own; it does not wait. Its data directory is made anew.
func (s *system) proxy(ctx context.Context, name string, st store, functionPort int, env ...string) (*process, error) {
	data := filepath.Join(s.settings.Out, "data", name)
	if err := os.RemoveAll(data); err != nil {
		return nil, err
	}
	var flags []string
	switch st {
	case inMemory:
		flags = []string{"--store", "memory"}
	case embeddedNoFsy:
		flags = []string{"--store", "embedded", "--no-fsync", "--data-dir", data}
	default:
		flags = []string{"--store", "embedded", "--data-dir", data}
	}
	return s.proxyWith(ctx, string(st), flags, functionPort, env...)
}

// proxyWith starts a proxy with the flags that choose its store; it does not wait. Instances are not passivated during a run:
// a round would otherwise measure the replay of what earlier rounds wrote.
func (s *system) proxyWith(ctx context.Context, store string, flags []string, functionPort int, env ...string) (*process, error) {
	clients, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	probes, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.spawn(ctx, "cloudstate-proxy, "+store, s.settings.Proxy, env, append([]string{
		"--log-level", "error", "--passivation-timeout", "1h",
		"--http-host", "127.0.0.1", "--http-port", strconv.Itoa(clients),
		"--management-host", "127.0.0.1", "--management-port", strconv.Itoa(probes),
		"--user-function-port", strconv.Itoa(functionPort),
	}, flags...)...)
	if err != nil {
		return nil, err
	}
	p.addr = fmt.Sprintf("127.0.0.1:%d", clients)
	p.ready = fmt.Sprintf("http://127.0.0.1:%d/ready", probes)
	return p, nil
}

// server starts a database and tells how to reach it.
func (s *system) server(ctx context.Context, d *database) (where string, err error) {
	p, err := s.spawn(ctx, "testserver, "+d.title, s.settings.TestServer, nil, d.args...)
	if err != nil {
		return "", err
	}
	line, err := p.line()
	return d.where(line), err
}
