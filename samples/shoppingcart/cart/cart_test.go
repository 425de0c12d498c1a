package cart_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/mockproxy"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	pb "github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	"github.com/stateful-serverless/cloudstate/samples/shoppingcart/cart"
	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// serve runs the cart until the test ends, and returns a proxy without a store in front of it.
func serve(t *testing.T) *mockproxy.Proxy {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := cloudstate.Server{Services: []cloudstate.Service{cart.Service()}, Logger: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	proxy, err := mockproxy.Dial(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := proxy.Close()
		stop()
		if err := errors.Join(err, <-ended); err != nil {
			t.Error(err)
		}
	})
	return proxy
}

// session is one cart's stream, and its journal so far.
type session struct {
	ctx     context.Context
	stream  *mockproxy.EventSourced
	id      int64
	journal []*anypb.Any
}

func open(ctx context.Context, t fataler, proxy *mockproxy.Proxy, journal []*anypb.Any) *session {
	stream, err := proxy.EventSourced(ctx)
	if err == nil {
		err = stream.Init("com.example.shoppingcart.ShoppingCart", "u")
	}
	for i, event := range journal {
		err = errors.Join(err, stream.Event(int64(i+1), event))
	}
	if err != nil {
		t.Fatal(err)
	}
	return &session{ctx: ctx, stream: stream, journal: journal}
}

type fataler interface{ Fatal(...any) }

func (s *session) command(t fataler, name string, payload proto.Message) *eventsourced.EventSourcedReply {
	s.id++
	if err := s.stream.Command(s.id, name, payload); err != nil {
		t.Fatal(err)
	}
	out, err := s.stream.Recv(s.ctx)
	if err != nil || out.GetReply() == nil {
		t.Fatal(name, out, err)
	}
	s.journal = append(s.journal, out.GetReply().GetEvents()...)
	return out.GetReply()
}

func (s *session) items(t fataler) map[string]int32 {
	got := &pb.Cart{}
	if err := s.command(t, "GetCart", &pb.GetShoppingCart{UserId: "u"}).GetClientAction().GetReply().GetPayload().UnmarshalTo(got); err != nil {
		t.Fatal(err)
	}
	items := make(map[string]int32)
	for _, item := range got.GetItems() {
		if _, twice := items[item.GetProductId()]; twice {
			t.Fatal("a product is in the cart twice: ", got)
		}
		items[item.GetProductId()] = item.GetQuantity()
	}
	return items
}

// TestRefused: what cannot be added or removed fails with a code, and changes nothing.
func TestRefused(t *testing.T) {
	s := open(t.Context(), t, serve(t), nil)
	defer s.stream.Cancel()
	s.command(t, "AddItem", &pb.AddLineItem{UserId: "u", ProductId: "p", Quantity: 1<<31 - 1})
	for name, c := range map[string]struct {
		command string
		payload proto.Message
		code    codes.Code
	}{
		"none":       {"AddItem", &pb.AddLineItem{UserId: "u", ProductId: "p"}, codes.InvalidArgument},
		"less":       {"AddItem", &pb.AddLineItem{UserId: "u", ProductId: "p", Quantity: -1}, codes.InvalidArgument},
		"no product": {"AddItem", &pb.AddLineItem{UserId: "u", Quantity: 1}, codes.InvalidArgument},
		"too many":   {"AddItem", &pb.AddLineItem{UserId: "u", ProductId: "p", Quantity: 1}, codes.OutOfRange},
		"not there":  {"RemoveItem", &pb.RemoveLineItem{UserId: "u", ProductId: "q"}, codes.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			reply := s.command(t, c.command, c.payload)
			failure := reply.GetClientAction().GetFailure()
			if codes.Code(failure.GetGrpcStatusCode()) != c.code || failure.GetRestart() || len(reply.GetEvents()) > 0 {
				t.Errorf("got %v, want a failure of code %v alone", reply, c.code)
			}
		})
	}
	if items := s.items(t); len(items) != 1 || items["p"] != 1<<31-1 {
		t.Errorf("the cart is %v", items)
	}
}

// TestModel plays commands at random: the cart is what a plain map makes of them, also when it is made anew from its
// events.
func TestModel(t *testing.T) {
	proxy := serve(t)
	rapid.Check(t, func(r *rapid.T) {
		model := make(map[string]int32)
		s := open(t.Context(), r, proxy, nil)
		defer func() { s.stream.Cancel() }()
		for range rapid.IntRange(1, 30).Draw(r, "commands") {
			product := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "product")
			switch rapid.SampledFrom([]string{"add", "add", "remove", "restart"}).Draw(r, "do") {
			case "add":
				quantity := rapid.Int32Range(-1, 5).Draw(r, "quantity")
				s.command(r, "AddItem", &pb.AddLineItem{UserId: "u", ProductId: product, Quantity: quantity})
				if quantity > 0 {
					model[product] += quantity
				}
			case "remove":
				s.command(r, "RemoveItem", &pb.RemoveLineItem{UserId: "u", ProductId: product})
				delete(model, product)
			case "restart":
				if err := s.stream.Passivate(t.Context()); err != nil {
					r.Fatal(err)
				}
				s = open(t.Context(), r, proxy, s.journal)
			}
			items := s.items(r)
			if len(items) != len(model) {
				r.Fatalf("the cart is %v, want %v", items, model)
			}
			for product, quantity := range model {
				if items[product] != quantity {
					r.Fatalf("the cart is %v, want %v", items, model)
				}
			}
		}
	})
}
