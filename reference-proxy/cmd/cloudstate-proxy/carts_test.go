package main

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	vecart "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
)

// carts is a user function with two services: an event sourced cart that keeps every item that was ever added, in
// order, and a value entity cart that keeps one number. Both tell the tests whatever the proxy does wrong.
type carts struct {
	mu     sync.Mutex
	faults []string
}

const (
	cartService  = "com.example.shoppingcart.ShoppingCart"
	valueService = "com.example.valueentity.shoppingcart.ShoppingCart"
)

func (c *carts) config() mockfunction.Config {
	return mockfunction.Config{
		Spec: mockfunction.NewSpec(
			[]protoreflect.FileDescriptor{shoppingcart.File_shoppingcart_shoppingcart_proto, vecart.File_valueentity_shoppingcart_shoppingcart_proto},
			mockfunction.Entity("cloudstate.eventsourced.EventSourced", cartService, "cart"),
			mockfunction.Entity("cloudstate.valueentity.ValueEntity", valueService, "value-cart"),
		),
		EventSourced: c.eventSourced,
		ValueEntity:  c.valueEntity,
	}
}

func (c *carts) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// listCart is one event sourced cart. Every seventh event comes with a snapshot.
type listCart struct {
	carts *carts
	id    string
	seq   int64
	cart  *shoppingcart.Cart
}

func (c *carts) eventSourced(init *eventsourced.EventSourcedInit) mockfunction.EventSourcedInstance {
	l := &listCart{carts: c, id: init.GetEntityId(), cart: &shoppingcart.Cart{}}
	if s := init.GetSnapshot(); s != nil {
		l.seq = s.GetSnapshotSequence()
		if err := s.GetSnapshot().UnmarshalTo(l.cart); err != nil {
			c.fault("cart %s: snapshot: %v", l.id, err)
		}
		if int64(len(l.cart.GetItems())) != l.seq {
			c.fault("cart %s: the snapshot at %d holds %d items", l.id, l.seq, len(l.cart.GetItems()))
		}
	}
	return l
}

func (l *listCart) Event(e *eventsourced.EventSourcedEvent) {
	if e.GetSequence() != l.seq+1 {
		l.carts.fault("cart %s: event %d was replayed after %d", l.id, e.GetSequence(), l.seq)
	}
	l.seq = e.GetSequence()
	item := &shoppingcart.LineItem{}
	if err := e.GetPayload().UnmarshalTo(item); err != nil {
		l.carts.fault("cart %s: event %d: %v", l.id, l.seq, err)
	}
	l.cart.Items = append(l.cart.Items, item)
}

func (l *listCart) Command(c *cloudstate.Command) *eventsourced.EventSourcedReply {
	r := &eventsourced.EventSourcedReply{CommandId: c.GetId()}
	if c.GetName() == "GetCart" {
		r.ClientAction = replyWith(l.cart)
		return r
	}
	add := &shoppingcart.AddLineItem{}
	if err := c.GetPayload().UnmarshalTo(add); err != nil {
		l.carts.fault("cart %s: %v", l.id, err)
	}
	item := &shoppingcart.LineItem{ProductId: add.GetProductId(), Quantity: add.GetQuantity()}
	l.cart.Items = append(l.cart.Items, item)
	l.seq++
	r.ClientAction = replyWith(&emptypb.Empty{})
	r.Events = []*anypb.Any{pack(item)}
	if l.seq%7 == 0 {
		r.Snapshot = pack(l.cart)
	}
	return r
}

// numberCart is one value entity cart: AddItem sets its number, GetCart tells it.
type numberCart struct {
	carts *carts
	cart  *vecart.Cart
}

func (c *carts) valueEntity(init *valueentity.ValueEntityInit) mockfunction.ValueEntityInstance {
	n := &numberCart{c, &vecart.Cart{}}
	if v := init.GetState().GetValue(); v != nil {
		if err := v.UnmarshalTo(n.cart); err != nil {
			c.fault("value cart %s: %v", init.GetEntityId(), err)
		}
	}
	return n
}

func (n *numberCart) Command(c *cloudstate.Command) *valueentity.ValueEntityReply {
	r := &valueentity.ValueEntityReply{CommandId: c.GetId()}
	if c.GetName() == "GetCart" {
		r.ClientAction = replyWith(n.cart)
		return r
	}
	add := &vecart.AddLineItem{}
	if err := c.GetPayload().UnmarshalTo(add); err != nil {
		n.carts.fault("value cart: %v", err)
	}
	n.cart = &vecart.Cart{Items: []*vecart.LineItem{{ProductId: add.GetProductId(), Quantity: add.GetQuantity()}}}
	r.ClientAction = replyWith(&emptypb.Empty{})
	r.StateAction = &valueentity.ValueEntityAction{Action: &valueentity.ValueEntityAction_Update{
		Update: &valueentity.ValueEntityUpdate{Value: pack(n.cart)},
	}}
	return r
}

func replyWith(m proto.Message) *cloudstate.ClientAction {
	return &cloudstate.ClientAction{Action: &cloudstate.ClientAction_Reply{Reply: &cloudstate.Reply{Payload: pack(m)}}}
}

func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	return a
}
