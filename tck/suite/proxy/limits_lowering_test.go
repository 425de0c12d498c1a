package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// rawPeer is an HTTP/2 client that obeys no limit.
type rawPeer struct {
	t      *testing.T
	framer *http2.Framer
}

func dialRaw(t *testing.T, address string) *rawPeer {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	p := &rawPeer{t: t, framer: http2.NewFramer(conn, conn)}
	if err := p.framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return p
}

// next reads a frame, and acknowledges it when it holds settings.
func (p *rawPeer) next() http2.Frame {
	p.t.Helper()
	frame, err := p.framer.ReadFrame()
	if err != nil {
		p.t.Fatal(err)
	}
	if settings, ok := frame.(*http2.SettingsFrame); ok && !settings.IsAck() {
		if err := p.framer.WriteSettingsAck(); err != nil {
			p.t.Fatal(err)
		}
	}
	return frame
}

// settle reads until the limit of concurrent streams is told, and returns it.
func (p *rawPeer) settle() uint32 {
	p.t.Helper()
	for {
		if settings, ok := p.next().(*http2.SettingsFrame); ok && !settings.IsAck() {
			if limit, told := settings.Value(http2.SettingMaxConcurrentStreams); told {
				return limit
			}
		}
	}
}

// open opens a stream of an entity, which stays open.
func (p *rawPeer) open(stream uint32) {
	p.t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", "/cloudstate.eventsourced.EventSourced/handle"}, {":authority", "function"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
		p.t.Fatal(err)
	}
}

// passed waits until the relay has seen everything that was sent.
func (p *rawPeer) passed() {
	p.t.Helper()
	if err := p.framer.WritePing(false, [8]byte{1}); err != nil {
		p.t.Fatal(err)
	}
	for {
		if ping, ok := p.next().(*http2.PingFrame); ok && ping.IsAck() {
			return
		}
	}
}

func TestLimiterTellsTheLimitAndSeesWhoBreaksIt(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	function := mockfunction.New(suite.ModelFunction())
	if err := function.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer function.Kill()
	relay, err := newLimiter("127.0.0.1:0", function.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer relay.close()

	peer := dialRaw(t, relay.listener.Addr().String())
	for stream := uint32(1); stream <= 9; stream += 2 {
		peer.open(stream)
	}
	peer.passed()
	lowered := make(chan error, 1)
	go func() { lowered <- relay.lower(ctx, 2) }()
	if limit := peer.settle(); limit != 2 {
		t.Errorf("was told a limit of %d", limit)
	}
	if err := <-lowered; err != nil {
		t.Fatal(err)
	}
	// Of five streams four end, so one more is within the limit, and the next is not.
	for stream := uint32(1); stream <= 7; stream += 2 {
		if err := peer.framer.WriteRSTStream(stream, http2.ErrCodeCancel); err != nil {
			t.Fatal(err)
		}
	}
	peer.open(11)
	peer.passed()
	if err := relay.violation(); err != nil {
		t.Errorf("the second of two streams is no violation: %v", err)
	}
	peer.open(13)
	peer.passed()
	if relay.violation() == nil {
		t.Error("a third stream was not seen as a violation")
	}

	late := dialRaw(t, relay.listener.Addr().String())
	if limit := late.settle(); limit != 2 {
		t.Errorf("a later connection was told a limit of %d", limit)
	}
}

func TestCasesAreWellFormed(t *testing.T) {
	if err := suite.Check(Cases()); err != nil {
		t.Error(err)
	}
}
