package main

import (
	endian "encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// lowering stands between a proxy and a user function and passes HTTP/2 frames on. When told to, it lowers the limit of
// concurrent streams on every connection, by a SETTINGS frame of its own, as a user function may at any time; and it notes
// every stream that the proxy opens beyond the limit after it has acknowledged it.
type lowering struct {
	listener net.Listener
	function string
	tasks    sync.WaitGroup

	mu    sync.Mutex
	limit uint32 // 0: not lowered yet
	conns map[*loweredConn]struct{}
}

// The parts of HTTP/2 frames that matter here (RFC 9113, sections 4.1, 6 and 6.5.2).
const (
	frameHeaderSize      = 9
	frameData            = 0x0
	frameHeaders         = 0x1
	frameReset           = 0x3
	frameSettings        = 0x4
	flagEndStream        = 0x1
	flagAck              = 0x1
	maxConcurrentStreams = 0x3
	prefaceSize          = 24
)

func newLowering(t testing.TB, function string) *lowering {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &lowering{listener: l, function: function, conns: map[*loweredConn]struct{}{}}
	w.tasks.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.mu.Lock()
		for c := range w.conns {
			c.close()
		}
		w.mu.Unlock()
		w.tasks.Wait()
	})
	return w
}

func (w *lowering) accept() {
	for {
		proxy, err := w.listener.Accept()
		if err != nil {
			return
		}
		function, err := net.Dial("tcp", w.function)
		if err != nil {
			_ = proxy.Close()
			continue
		}
		c := &loweredConn{relay: w, proxy: proxy, function: function, open: map[uint32]bool{}}
		w.mu.Lock()
		w.conns[c] = struct{}{}
		w.mu.Unlock()
		w.tasks.Go(c.fromProxy)
		w.tasks.Go(c.fromFunction)
	}
}

// lower tells the new limit on all connections, and on those still to come.
func (w *lowering) lower(limit uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = limit
	for c := range w.conns {
		c.tell(limit)
	}
}

// found is how many connections were made, and what was wrong with any of them.
func (w *lowering) found() (conns int, faults []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.mu.Lock()
		faults = append(faults, c.faults...)
		c.mu.Unlock()
	}
	return len(w.conns), faults
}

// loweredConn is one connection.
type loweredConn struct {
	relay           *lowering
	proxy, function net.Conn

	mu   sync.Mutex // also guards writes towards the proxy
	open map[uint32]bool
	last uint32
	// settings counts the SETTINGS that went to the proxy, ours included; acks, those that it acknowledged, in order. Ours is
	// number told, 0 as long as it has not been sent.
	settings, acks, told int
	limit                uint32
	faults               []string
}

func (c *loweredConn) close() { _ = c.proxy.Close(); _ = c.function.Close() }

// tell sends our SETTINGS, which must come after the function's own. The relay's lock is held.
func (c *loweredConn) tell(limit uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settings == 0 || c.told > 0 {
		return
	}
	frame := []byte{0, 0, 6, frameSettings, 0, 0, 0, 0, 0, 0, maxConcurrentStreams}
	c.settings++
	c.told, c.limit = c.settings, limit
	_, _ = c.proxy.Write(endian.BigEndian.AppendUint32(frame, limit))
}

func (c *loweredConn) fromProxy() {
	defer c.close()
	if _, err := io.CopyN(c.function, c.proxy, prefaceSize); err != nil {
		return
	}
	c.pass(c.proxy, c.function, func(kind, flags byte, stream uint32) {
		switch {
		case kind == frameSettings && flags&flagAck != 0:
			c.acks++
		case kind == frameReset:
			delete(c.open, stream)
		case kind == frameHeaders && stream > c.last:
			c.last = stream
			if c.told > 0 && c.acks >= c.told && uint32(len(c.open)) >= c.limit {
				c.faults = append(c.faults, fmt.Sprintf("stream %d was opened beside %d others, %d are allowed in all", stream, len(c.open), c.limit))
			}
			c.open[stream] = true
		}
	})
}

func (c *loweredConn) fromFunction() {
	defer c.close()
	c.pass(c.function, c.proxy, func(kind, flags byte, stream uint32) {
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			c.settings++
		case kind == frameReset, (kind == frameHeaders || kind == frameData) && flags&flagEndStream != 0:
			delete(c.open, stream)
		}
	})
}

// pass moves frames from one side to the other and shows each to see, which is called with the lock held.
func (c *loweredConn) pass(from, to net.Conn, see func(kind, flags byte, stream uint32)) {
	buf := make([]byte, frameHeaderSize, 32<<10)
	for {
		head := buf[:frameHeaderSize]
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		size := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if need := frameHeaderSize + size; cap(buf) < need {
			buf = append(make([]byte, 0, need), head...)
		}
		frame := buf[:frameHeaderSize+size]
		if _, err := io.ReadFull(from, frame[frameHeaderSize:]); err != nil {
			return
		}
		kind, flags, stream := frame[3], frame[4], endian.BigEndian.Uint32(frame[5:9])&(1<<31-1)
		c.mu.Lock()
		see(kind, flags, stream)
		if to == c.proxy {
			_, err := to.Write(frame)
			c.mu.Unlock()
			if err != nil {
				return
			}
			c.tellLater(kind)
			continue
		}
		c.mu.Unlock()
		if _, err := to.Write(frame); err != nil {
			return
		}
	}
}

// tellLater tells a connection that came after the lowering.
func (c *loweredConn) tellLater(kind byte) {
	if kind != frameSettings {
		return
	}
	c.relay.mu.Lock()
	defer c.relay.mu.Unlock()
	if c.relay.limit > 0 {
		c.tell(c.relay.limit)
	}
}
