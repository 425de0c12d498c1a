package userfunction

import (
	"fmt"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// frame is a message as bytes: what the codec takes and gives instead of a decoded message.
type frame struct {
	bytes []byte
}

// rawCodec hands bytes through. It calls itself "proto", so the content type on the wire is the usual one. Discovery
// shares it: real protobuf messages are still encoded and decoded.
type rawCodec struct{}

// Name is the content-subtype: application/grpc+proto is what every user function understands.
func (rawCodec) Name() string { return "proto" }

// Marshal does not copy: the bytes belong to gRPC from here on, and are read after SendMsg returned.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case *frame:
		return mem.BufferSlice{mem.SliceBuffer(m.bytes)}, nil
	case proto.Message:
		b, err := proto.Marshal(m)
		if err != nil {
			return nil, err
		}
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return nil, fmt.Errorf("cannot encode a %T", v)
}

// Unmarshal copies the message once, out of the read buffers, so that whoever receives it may keep it.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *frame:
		m.bytes = data.Materialize()
		return nil
	case proto.Message:
		return proto.Unmarshal(data.Materialize(), m)
	}
	return fmt.Errorf("cannot decode into a %T", v)
}
