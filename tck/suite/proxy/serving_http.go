package proxy

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	transport := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
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
		return reset(err)
	}
	defer response.Body.Close()
	got, err := read(response)
	if err != nil {
		return reset(err)
	}
	return got, nil
}

// reset turns the end of a stream by RST_STREAM with CANCEL into the status that gRPC's mapping gives it; any other error stays.
func reset(err error) (outcome, error) {
	var stream http2.StreamError
	if errors.As(err, &stream) && stream.Code == http2.ErrCodeCancel {
		return outcome{code: codes.Canceled, text: "the stream was reset with CANCEL"}, nil
	}
	return outcome{}, err
}

// frame is the message with gRPC's prefix.
func (x exchange) frame() []byte {
	body := x.message
	if x.gzip {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(body); err != nil || w.Close() != nil {
			panic("proxy: the kit cannot compress in memory") //nolint:forbidigo // a bytes.Buffer refuses nothing
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
		message, err := io.ReadAll(io.LimitReader(response.Body, int64(binary.BigEndian.Uint32(prefix[1:]))))
		if err != nil {
			return got, err
		}
		if prefix[0] != 0 {
			got.compressed = true
			if message, err = unpack(message); err != nil {
				return got, err
			}
		}
		got.messages = append(got.messages, message)
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

func unpack(message []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(message))
	if err != nil {
		return nil, fmt.Errorf("a message that is marked as compressed and is not gzip: %w", err)
	}
	return io.ReadAll(r)
}

// late fails the case unless the call ended because its deadline had passed: with DEADLINE_EXCEEDED, or with the reset of the stream by which
// gRPC servers also give up a call whose client, knowing the deadline itself, no longer listens.
func (o outcome) late(s *scene) {
	s.t.Require(o.code == codes.DeadlineExceeded || o.code == codes.Canceled && o.status == 0, suite.Failure{
		Requirement: "SERV-38", Expected: "status DeadlineExceeded", Got: fmt.Sprintf("status %s with the description %q", o.code, o.text),
	})
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
		Requirement: requirement, Expected: fmt.Sprintf("one message with the bytes %.100x", want), Got: fmt.Sprintf("%.100x", o.messages),
	})
}
