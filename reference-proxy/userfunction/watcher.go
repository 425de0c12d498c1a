package userfunction

import (
	"encoding/binary"
	"math"
)

// What HTTP/2 (RFC 9113) calls the few things that the watcher looks at.
const (
	frameHeaderSize = 9
	settingSize     = 6

	frameSettings = 0x4
	frameGoAway   = 0x7

	flagAck = 0x1

	settingMaxConcurrentStreams = 0x3
)

// unlimited is the stream limit of a peer that states none.
const unlimited = math.MaxUint32

// watcher follows the frames that a server sends, without keeping or changing a byte of them, and tells its observer
// about those that say how many streams the connection may have. It is fed every byte read, in pieces of any size;
// what is no frame header and no SETTINGS payload is skipped over.
//
// It does not validate: a connection that breaks HTTP/2's rules is closed by the transport that reads it.
type watcher struct {
	observer frameObserver

	header    [frameHeaderSize]byte
	headerLen int
	// payload is how many bytes of the current frame are still to come; only meaningful with a whole header.
	payload int
	// setting collects one entry of a SETTINGS frame; inSettings says that the current frame is one.
	inSettings bool
	setting    [settingSize]byte
	settingLen int

	limit   uint32
	started bool
	broken  bool
}

// frameObserver is told what a watcher sees, from within the Read that delivered it.
type frameObserver interface {
	// settings reports that a SETTINGS frame has arrived, with the limit on concurrent streams that now holds.
	settings(limit uint32)
	// goAway reports that the server takes no further streams on this connection.
	goAway()
	// notHTTP2 reports that the server does not begin as an HTTP/2 server must. Nothing is reported after it.
	notHTTP2(start []byte)
}

func newWatcher(observer frameObserver) watcher {
	return watcher{observer: observer, limit: unlimited}
}

// feed takes the next bytes read.
func (w *watcher) feed(b []byte) {
	for len(b) > 0 && !w.broken {
		if w.headerLen < frameHeaderSize {
			n := copy(w.header[w.headerLen:], b)
			w.headerLen += n
			b = b[n:]
			if w.headerLen == frameHeaderSize {
				w.beginFrame()
			}
			continue
		}
		n := min(w.payload, len(b))
		if w.inSettings {
			w.readSettings(b[:n])
		}
		w.payload -= n
		b = b[n:]
		if w.payload == 0 {
			w.endFrame()
		}
	}
}

func (w *watcher) beginFrame() {
	w.payload = int(w.header[0])<<16 | int(w.header[1])<<8 | int(w.header[2])
	kind, ack := w.header[3], w.header[4]&flagAck != 0
	if !w.started && (kind != frameSettings || ack) {
		w.broken = true
		w.observer.notHTTP2(w.header[:])
		return
	}
	w.started = true
	w.inSettings = kind == frameSettings && !ack
	w.settingLen = 0
	if kind == frameGoAway {
		w.observer.goAway()
	}
	if w.payload == 0 {
		w.endFrame()
	}
}

func (w *watcher) readSettings(b []byte) {
	for len(b) > 0 {
		n := copy(w.setting[w.settingLen:], b)
		w.settingLen += n
		b = b[n:]
		if w.settingLen == settingSize {
			w.settingLen = 0
			if binary.BigEndian.Uint16(w.setting[:]) == settingMaxConcurrentStreams {
				w.limit = binary.BigEndian.Uint32(w.setting[2:])
			}
		}
	}
}

func (w *watcher) endFrame() {
	w.headerLen = 0
	if w.inSettings {
		w.observer.settings(w.limit)
	}
}
