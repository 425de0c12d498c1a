package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// loweringCase has a user function that lowers its limit of concurrent streams on the connections that are open.
func loweringCase() suite.Case {
	return suite.Case{
		ID: "lim/proxy/streams-lowered", Title: "old and new instances are served after the user function has lowered its limit of concurrent streams",
		Requirements: requires("LIM-15", "LIM-13", "LIM-14"), Kind: suite.Proxy, Needs: []string{suite.EventSourced}, OwnTarget: true,
		Run: func(ctx context.Context, t *suite.T) {
			config := suite.ModelFunction()
			config.Recorder = t.Trace()
			function := mockfunction.New(config)
			if err := function.Start("127.0.0.1:0"); err != nil {
				t.KitFault(err)
			}
			t.Cleanup(function.Kill)
			relay, err := newLimiter(t.FunctionAddress(), function.Addr())
			if err != nil {
				t.KitFault(err)
			}
			t.Cleanup(relay.close)
			s := newScene(ctx, t, function)
			s.start()

			k := eventSourced
			var old, fresh []*instance
			for range 20 {
				old = append(old, s.entity(k, k.model).put("LIM-15", "A"))
			}
			t.Check(relay.lower(s.ctx, 3), suite.Failure{Requirement: "LIM-15", Expected: "the new limit to be acknowledged on every open connection"})
			for range 10 {
				fresh = append(fresh, s.entity(k, k.model).put("LIM-15", "A"))
				s.actsBesides()
			}
			for _, i := range append(old, fresh...) {
				i.asks("LIM-15", "still active")
				i.e.unopened("LIM-15", "its instance is active")
			}
			// Old ones that end make no room for new ones until the limit is kept.
			for _, i := range old[:10] {
				i.restart("LIM-15", "A").asks("LIM-15", "restarted")
			}
			s.actsBesides()
			t.Check(relay.violation(), suite.Failure{
				Requirement: "LIM-15", Expected: "no new stream on a connection that has as many as its limit allows, once the limit is acknowledged",
				Remedy: "open further connections, and count the streams of each",
			})
		},
	}
}

// limiter relays the connections of a proxy to a user function frame by frame, and can tell the proxy a limit of concurrent streams that the user
// function knows nothing of. It keeps account of whether the proxy obeys.
type limiter struct {
	listener net.Listener
	backend  string
	all      sync.WaitGroup

	mu     sync.Mutex
	limit  uint32 // 0 until lowered
	open   map[*limited]struct{}
	broken error
	acked  chan struct{} // closed and replaced whenever an acknowledgement has come or a connection has ended
}

// limited is one connection. Its fields are guarded by limiter.mu.
type limited struct {
	proxy, function net.Conn
	unacknowledged  int               // settings that the proxy has been sent and has not acknowledged
	told            bool              // whether the limit is among the settings sent
	streams         map[uint32]uint32 // open streams, with which sides have ended
}

func newLimiter(address, backend string) (*limiter, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("relay before the mock function: %w", err)
	}
	l := &limiter{listener: listener, backend: backend, open: map[*limited]struct{}{}, acked: make(chan struct{})}
	l.all.Add(1)
	go l.accept()
	return l, nil
}

func (l *limiter) accept() {
	defer l.all.Done()
	for {
		proxy, err := l.listener.Accept()
		if err != nil {
			return
		}
		function, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", l.backend)
		if err != nil {
			_ = proxy.Close()
			continue
		}
		c := &limited{proxy: proxy, function: function, streams: map[uint32]uint32{}}
		l.mu.Lock()
		l.open[c] = struct{}{}
		l.mu.Unlock()
		l.all.Add(2)
		go l.fromProxy(c)
		go l.fromFunction(c)
	}
}

// close ends the relay and all its connections.
func (l *limiter) close() {
	_ = l.listener.Close()
	l.mu.Lock()
	for c := range l.open {
		_ = c.proxy.Close()
		_ = c.function.Close()
	}
	l.mu.Unlock()
	l.all.Wait()
}

// lower tells the proxy the limit, on open connections and on later ones, and waits until it is acknowledged on those that are open.
func (l *limiter) lower(ctx context.Context, limit uint32) error {
	l.mu.Lock()
	l.limit = limit
	for c := range l.open {
		l.tell(c)
	}
	l.mu.Unlock()
	for {
		l.mu.Lock()
		acked, waiting := l.acked, 0
		for c := range l.open {
			waiting += c.unacknowledged
		}
		l.mu.Unlock()
		if waiting == 0 {
			return nil
		}
		select {
		case <-acked:
		case <-ctx.Done():
			return fmt.Errorf("%d settings were not acknowledged: %w", waiting, ctx.Err())
		}
	}
}

// violation returns how the proxy broke the limit, or nil.
func (l *limiter) violation() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// What of HTTP/2 (RFC 9113) the relay looks at.
const (
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

	frameData, frameHeaders, frameReset, frameSettings = 0x0, 0x1, 0x3, 0x4

	flagEndStream, flagAck, flagEndHeaders = 0x1, 0x1, 0x4

	settingMaxConcurrentStreams = 0x3

	endedByProxy, endedByFunction, endedByBoth = 1, 2, 3
)

// tell sends the limit between two frames; l.mu is held.
func (l *limiter) tell(c *limited) {
	frame := []byte{0, 0, 6, frameSettings, 0, 0, 0, 0, 0, 0, settingMaxConcurrentStreams}
	c.told = true
	c.unacknowledged++
	_, _ = c.proxy.Write(binary.BigEndian.AppendUint32(frame, l.limit)) // a connection that is gone tells its readers
}

// fromFunction relays what the user function sends.
func (l *limiter) fromFunction(c *limited) {
	l.frames(c, bufio.NewReader(c.function), c.proxy, func(kind, flags byte, stream uint32) {
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			c.unacknowledged++
		case kind == frameReset:
			delete(c.streams, stream)
		case (kind == frameData || kind == frameHeaders) && flags&flagEndStream != 0:
			c.end(stream, endedByFunction)
		}
	}, func(kind, flags byte) {
		if l.limit > 0 && !c.told && (kind != frameHeaders || flags&flagEndHeaders != 0) {
			l.tell(c)
		}
	})
}

// fromProxy relays what the proxy sends, and counts its streams.
func (l *limiter) fromProxy(c *limited) {
	in := bufio.NewReader(c.proxy)
	hello := make([]byte, len(preface))
	if _, err := io.ReadFull(in, hello); err == nil && bytes.Equal(hello, []byte(preface)) {
		_, _ = c.function.Write(hello)
	}
	l.frames(c, in, c.function, func(kind, flags byte, stream uint32) {
		switch kind {
		case frameSettings:
			if flags&flagAck != 0 && c.unacknowledged > 0 {
				c.unacknowledged--
				close(l.acked)
				l.acked = make(chan struct{})
			}
		case frameReset:
			delete(c.streams, stream)
		case frameData, frameHeaders:
			if _, known := c.streams[stream]; kind == frameHeaders && !known {
				if c.told && c.unacknowledged == 0 && len(c.streams) >= int(l.limit) {
					l.broken = errors.Join(l.broken, fmt.Errorf("stream %d was opened beside %d others, the limit being %d", stream, len(c.streams), l.limit))
				}
				c.streams[stream] = 0
			}
			if flags&flagEndStream != 0 {
				c.end(stream, endedByProxy)
			}
		}
	}, func(byte, byte) {})
}

// end notes that a side of the stream has ended; l.mu is held.
func (c *limited) end(stream, side uint32) {
	ended, known := c.streams[stream]
	if !known {
		return
	}
	if ended |= side; ended == endedByBoth {
		delete(c.streams, stream)
		return
	}
	c.streams[stream] = ended
}

// frames relays one direction until it ends; look is called before a frame is passed on, and passed after it, both with l.mu held.
func (l *limiter) frames(c *limited, in *bufio.Reader, out net.Conn, look func(kind, flags byte, stream uint32), passed func(kind, flags byte)) {
	defer l.all.Done()
	defer func() {
		_ = c.proxy.Close()
		_ = c.function.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, c)
		close(l.acked)
		l.acked = make(chan struct{})
	}()
	header := make([]byte, 9)
	for {
		if _, err := io.ReadFull(in, header); err != nil {
			return
		}
		frame := make([]byte, 9+(int(header[0])<<16|int(header[1])<<8|int(header[2])))
		copy(frame, header)
		if _, err := io.ReadFull(in, frame[9:]); err != nil {
			return
		}
		l.mu.Lock()
		look(frame[3], frame[4], binary.BigEndian.Uint32(frame[5:9])&^(1<<31))
		_, err := out.Write(frame)
		passed(frame[3], frame[4])
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}
