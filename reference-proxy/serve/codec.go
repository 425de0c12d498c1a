package serve

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec called proto, which ours leaves messages to
	"google.golang.org/grpc/mem"
)

// frame is a message that passes through undecoded.
type frame struct{ bytes []byte }

// codec passes frames through and leaves the messages of our own services
// (reflection, health) to the protobuf codec.
type codec struct{ proto encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return mem.BufferSlice{mem.SliceBuffer(f.bytes)}, nil
	}
	return c.proto.Marshal(v)
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return c.proto.Unmarshal(data, v)
	}
	f.bytes = data.Materialize()
	return nil
}

func (codec) Name() string { return "proto" }
