package userfunction

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// frame is a message as bytes: what the codec takes and gives instead of a decoded message.
type frame struct {
	bytes []byte
	// attempt, if set, is told when the message is about to be sent: then the stream has been opened.
	attempt *attempt
}

// rawCodec hands bytes through. It calls itself "proto", so the content type on the wire is the usual one.
type rawCodec struct{}

// Name is the content-subtype: application/grpc+proto is what every user function understands.
func (rawCodec) Name() string { return "proto" }

// Marshal does not copy: the bytes belong to gRPC from here on, and are read after SendMsg returned.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*frame)
	if !ok {
		return nil, fmt.Errorf("a %T is no frame", v)
	}
	if m.attempt != nil && !m.attempt.opened() {
		return nil, status.Error(codes.Unavailable, "the call moves to another connection")
	}
	return mem.BufferSlice{mem.SliceBuffer(m.bytes)}, nil
}

// Unmarshal copies the message once, out of the read buffers, so that whoever receives it may keep it.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*frame)
	if !ok {
		return fmt.Errorf("a %T is no frame", v)
	}
	m.bytes = data.Materialize()
	return nil
}
