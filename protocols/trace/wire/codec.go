package wire

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// Frame is a gRPC message as bytes, as [Codec] takes and gives it. A received frame owns its bytes.
type Frame struct{ Bytes []byte }

// Codec passes *[Frame] values through untouched under the name "proto", so that the peer cannot tell it from the usual one. It
// is a grpc encoding.CodecV2, for ForceCodecV2 and ForceServerCodecV2; it has no state.
type Codec struct{}

// Marshal returns the bytes of the *Frame v.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*Frame)
	if !ok {
		return nil, fmt.Errorf("wire: the raw codec sends *wire.Frame, not %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(f.Bytes)}, nil
}

// Unmarshal copies data into the *Frame v.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*Frame)
	if !ok {
		return fmt.Errorf("wire: the raw codec receives *wire.Frame, not %T", v)
	}
	f.Bytes = data.Materialize()
	return nil
}

// Name returns "proto".
func (Codec) Name() string { return "proto" }
