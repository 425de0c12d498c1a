package main

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// frame is a message that is not decoded.
type frame struct{ bytes []byte }

// rawCodec takes and gives frames, and nothing else.
type rawCodec struct{}

// Name is the content-subtype that every gRPC server understands.
func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*frame)
	if !ok {
		return nil, fmt.Errorf("a %T is no frame", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(f.bytes)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return fmt.Errorf("a %T is no frame", v)
	}
	f.bytes = data.Materialize()
	return nil
}

// connect makes a client of one connection.
func connect(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})))
}

// payloadSize is what an item carries beside its id, in bytes.
const payloadSize = 100

// newItem encodes a cloudstate.bench.Item: string id = 1, bytes payload = 2.
func newItem(id string) []byte {
	b := protowire.AppendTag(nil, 1, protowire.BytesType)
	b = protowire.AppendString(b, id)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	return protowire.AppendBytes(b, make([]byte, payloadSize))
}

// newItems encodes n items with different ids.
func newItems(n int) [][]byte {
	items := make([][]byte, n)
	for i := range items {
		items[i] = newItem(fmt.Sprintf("entity-%d", i))
	}
	return items
}
