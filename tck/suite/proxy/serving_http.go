package proxy

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"golang.org/x/net/http2"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// exchange is one gRPC call as plain HTTP/2 with prior knowledge, for what a gRPC library neither sends nor shows: content types, compression, a
// deadline that only the server knows, and headers that libraries keep to themselves.
type exchange struct {
	method      string
	contentType string // empty: application/grpc
	headers     [][2]string
	message     []byte
	gzip        bool // whether the message is sent compressed
}

// outcome is what came back.
type outcome struct {
	header     http.Header
	status     int
	messages   [][]byte
	compressed bool // whether any message was marked as compressed
	code       codes.Code
	text       string
}

// http makes the exchange; the case fails when the answer is not gRPC.
func (s *scene) http(requirement string, x exchange) outcome {
	got, err := s.exchange(x)
	s.t.Check(err, suite.Failure{
		Requirement: requirement,
		Expected:    "a gRPC answer over cleartext HTTP/2 with prior knowledge to " + x.method,
		Remedy:      "answer every gRPC request with HTTP status 200, a gRPC content type and a grpc-status",
	})
	return got
}

func (s *scene) exchange(x exchange) (outcome, error) {
	transport := &http2.Transport{
		AllowHTTP: true, DisableCompression: true,
		DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(s.ctx, http.MethodPost, "http://"+s.t.Proxy().Address+x.method, bytes.NewReader(x.frame()))
	if err != nil {
		return outcome{}, &suite.KitError{Err: err}
	}
	request.Header.Set("Te", "trailers")
	request.Header.Set("Content-Type", "application/grpc")
	if x.contentType != "" {
		request.Header.Set("Content-Type", x.contentType)
	}
	if x.gzip {
		request.Header.Set("Grpc-Encoding", "gzip")
	}
	for _, h := range x.headers {
		request.Header.Add(h[0], h[1])
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return outcome{}, err
	}
	defer response.Body.Close()
	return read(response)
}

// frame is the message with gRPC's prefix.
func (x exchange) frame() []byte {
	body := x.message
	if x.gzip {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(body); err != nil || w.Close() != nil {
			panic("proxy: the kit cannot compress in memory")
		}
		body = packed.Bytes()
	}
	prefix := make([]byte, 5, 5+len(body))
	if x.gzip {
		prefix[0] = 1
	}
	binary.BigEndian.PutUint32(prefix[1:], uint32(len(body)))
	return append(prefix, body...)
}

func read(response *http.Response) (outcome, error) {
	got := outcome{header: response.Header, status: response.StatusCode}
	for {
		var prefix [5]byte
		if _, err := io.ReadFull(response.Body, prefix[:]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return got, err
		}
		message := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
		if _, err := io.ReadFull(response.Body, message); err != nil {
			return got, err
		}
		got.messages, got.compressed = append(got.messages, message), got.compressed || prefix[0] != 0
	}
	from := response.Trailer
	if from.Get("Grpc-Status") == "" {
		from = response.Header // an answer without messages may be headers alone
	}
	code, err := strconv.ParseUint(from.Get("Grpc-Status"), 10, 32)
	if err != nil || response.StatusCode != http.StatusOK {
		return got, fmt.Errorf("HTTP status %d, content type %q, grpc-status %q", response.StatusCode, response.Header.Get("Content-Type"), from.Get("Grpc-Status"))
	}
	got.code, got.text = codes.Code(code), from.Get("Grpc-Message")
	return got, nil
}

// is fails the case unless the call ended with this code.
func (o outcome) is(s *scene, requirement string, want codes.Code) {
	s.t.Require(o.code == want, suite.Failure{
		Requirement: requirement, Expected: "status " + want.String(), Got: fmt.Sprintf("status %s with the description %q", o.code, o.text),
	})
}

// replies fails the case unless the call ended with OK after exactly this message.
func (o outcome) replies(s *scene, requirement string, want []byte) {
	o.is(s, requirement, codes.OK)
	s.t.Require(len(o.messages) == 1 && bytes.Equal(o.messages[0], want), suite.Failure{
		Requirement: requirement, Expected: fmt.Sprintf("one message with the bytes %x", want), Got: fmt.Sprintf("%x", o.messages),
	})
}
