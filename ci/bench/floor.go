package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"
)

// floorMethod is the one method of the floor.
const floorMethod = "/bench.Floor/Call"

var streamDesc = &grpc.StreamDesc{StreamName: "Stream", ServerStreams: true, ClientStreams: true}

const streamMethod = "/bench.Floor/Stream"

type unaryHandler func(ctx context.Context, in *frame) (*frame, error)

// serveFloor serves h until ctx ends. Its server is grpc-go as it comes, but for the codec.
func serveFloor(ctx context.Context, stdout io.Writer, h unaryHandler) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Floor",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "Call",
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				in := new(frame)
				if err := decode(in); err != nil {
					return nil, err
				}
				return h(ctx, in)
			},
		}},
		Streams: []grpc.StreamDesc{{StreamName: "Stream", Handler: echoStream, ServerStreams: true, ClientStreams: true}},
	}, struct{}{})
	context.AfterFunc(ctx, s.Stop)
	_, _ = fmt.Fprintf(stdout, "listening on %s\n", l.Addr())
	return s.Serve(l)
}

// echo is the user function of the floor.
func echo(_ context.Context, in *frame) (*frame, error) { return in, nil }

func echoStream(_ any, s grpc.ServerStream) error {
	for {
		var f frame
		if err := s.RecvMsg(&f); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := s.SendMsg(&f); err != nil {
			return err
		}
	}
}

// runEcho is `bench echo`.
func runEcho(ctx context.Context, _ []string, stdout io.Writer) error {
	return serveFloor(ctx, stdout, echo)
}

// runPass is `bench pass`: each call it gets is one call over its one connection to the echo.
func runPass(ctx context.Context, args []string, stdout io.Writer) error {
	fs := flag.NewFlagSet("bench pass", flag.ExitOnError)
	to := fs.String("to", "", "address of the echo")
	_ = fs.Parse(args) // it exits on errors
	cc, err := connect(*to)
	if err != nil {
		return err
	}
	defer func() { _ = cc.Close() }()
	return serveFloor(ctx, stdout, func(ctx context.Context, in *frame) (*frame, error) {
		out := new(frame)
		return out, cc.Invoke(ctx, floorMethod, in, out)
	})
}

// runStreams is `bench streams`: it holds idle bidirectional streams to the echo, each with a goroutine that waits for
// its next message, as whoever keeps a stream must have.
func runStreams(ctx context.Context, args []string, stdout io.Writer) error {
	fs := flag.NewFlagSet("bench streams", flag.ExitOnError)
	to := fs.String("to", "", "address of the echo")
	count := fs.Int("count", 10000, "streams")
	_ = fs.Parse(args) // it exits on errors
	cc, err := connect(*to)
	if err != nil {
		return err
	}
	defer func() { _ = cc.Close() }()
	item := newItem("idle")
	open := func() error {
		s, err := cc.NewStream(ctx, streamDesc, streamMethod)
		if err != nil {
			return err
		}
		if err := s.SendMsg(&frame{item}); err != nil {
			return err
		}
		answered := make(chan error, 1)
		go func() {
			for {
				err := s.RecvMsg(new(frame))
				select {
				case answered <- err:
				default:
				}
				if err != nil {
					return
				}
			}
		}()
		return <-answered
	}
	if err := open(); err != nil {
		return err
	}
	// Whoever started this measures between the two lines, and says when it has.
	_, _ = fmt.Fprintln(stdout, "connected")
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return err
	}
	for range *count {
		if err := open(); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintln(stdout, "open")
	<-ctx.Done()
	return nil
}
