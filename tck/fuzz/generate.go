package fuzz

import (
	"math/rand/v2"

	"google.golang.org/protobuf/proto"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/action"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	actionmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	vemodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/valueentity"
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/valueentity"
	"github.com/stateful-serverless/cloudstate/tck/target"
)

// bodyKey and bodies tell which messages a conversation has.
type bodyKey struct {
	side target.Role
	kind Kind
}

type bodyTypes struct{ send, answer proto.Message }

var bodies = map[bodyKey]bodyTypes{
	{target.Frontend, EventSourced}:   {send: &eventsourced.EventSourcedStreamIn{}},
	{target.Frontend, ValueEntity}:    {send: &valueentity.ValueEntityStreamIn{}},
	{target.Frontend, ActionUnary}:    {send: &action.ActionCommand{}},
	{target.Frontend, ActionIn}:       {send: &action.ActionCommand{}},
	{target.Frontend, ActionOut}:      {send: &action.ActionCommand{}},
	{target.Frontend, ActionStreamed}: {send: &action.ActionCommand{}},
	{target.Proxy, EventSourced}:      {send: &esmodel.Request{}, answer: &eventsourced.EventSourcedStreamOut{}},
	{target.Proxy, ValueEntity}:       {send: &vemodel.Request{}, answer: &valueentity.ValueEntityStreamOut{}},
	{target.Proxy, ActionUnary}:       {send: &actionmodel.Request{}, answer: &action.ActionResponse{}},
	{target.Proxy, ActionIn}:          {send: &actionmodel.Request{}, answer: &action.ActionResponse{}},
	{target.Proxy, ActionOut}:         {send: &actionmodel.Request{}, answer: &action.ActionResponse{}},
	{target.Proxy, ActionStreamed}:    {send: &actionmodel.Request{}, answer: &action.ActionResponse{}},
	{target.Proxy, Discovery}:         {answer: &cloudstate.EntitySpec{}},
}

// kinds are the kinds of conversations with the number of shares that each has of all of them. What costs a connection is rare.
var kinds = []struct {
	kind   Kind
	shares int
}{
	{EventSourced, 400}, {ValueEntity, 250},
	{ActionUnary, 100}, {ActionIn, 60}, {ActionOut, 60}, {ActionStreamed, 100},
	{Discovery, 10}, {Raw, 20},
}

// generate returns conversation number index of a seed, which depends on nothing else, and whether it was mutated.
func generate(side target.Role, seed, index uint64) (Conversation, bool) {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, index)), side: side}
	kind := g.kind()
	c := g.valid(kind)
	mutated := !g.chance(8)
	if mutated {
		g.mutate(&c)
	}
	return c, mutated
}

type generator struct {
	*rand.Rand
	side target.Role
	text byte // the last text made, so that texts of a conversation differ
}

func (g *generator) kind() Kind {
	total := 0
	for _, k := range kinds {
		total += k.shares
	}
	n := g.IntN(total)
	for _, k := range kinds {
		if n -= k.shares; n < 0 {
			// A proxy asks for discovery only after its connections were lost, at which no other conversation can be held.
			if k.kind == Discovery && g.side == target.Proxy && g.IntN(40) > 0 {
				return EventSourced
			}
			return k.kind
		}
	}
	return EventSourced
}

// chance is true once in n.
func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

// word returns a short text that the conversation has not had yet.
func (g *generator) word() string {
	g.text++
	return string([]byte{'a' + (g.text-1)%26, '.'})
}

// valid returns a conversation without a fault.
func (g *generator) valid(kind Kind) Conversation {
	c := Conversation{Side: g.side, Kind: kind}
	switch {
	case kind == Raw:
		c.Steps = g.frames()
	case kind == Discovery && g.side == target.Proxy:
		c.Steps = g.rediscovery()
	case kind == Discovery:
		c.Steps = g.discovery()
	case g.side == target.Frontend:
		c.Steps = g.toFrontend(kind)
	default:
		c.Steps = g.toProxy(kind)
	}
	return c
}

// mutate breaks a conversation in one to four ways.
func (g *generator) mutate(c *Conversation) {
	n := 1
	for n < 4 && g.chance(3) {
		n++
	}
	for range n {
		if len(c.Steps) == 0 {
			return
		}
		if g.chance(3) {
			g.mutateOrder(c)
		} else {
			g.mutateMessage(c)
		}
	}
}

// mutateMessage breaks one message of the conversation.
func (g *generator) mutateMessage(c *Conversation) {
	step := &c.Steps[g.IntN(len(c.Steps))]
	m := &step.Send
	if n := len(step.Answers); n > 0 && !g.chance(5) {
		m = &step.Answers[g.IntN(n)].Send
	}
	if *m == nil {
		return
	}
	broken := Message{Body: (*m).Body, Mutations: append([]Mutation(nil), (*m).Mutations...)}
	if g.chance(20_000) {
		broken.Mutations = append(broken.Mutations, Mutation{Op: PadBytes, At: (13 + 60*g.IntN(2)) << 20})
	} else {
		broken.Mutations = append(broken.Mutations, drawMutation(g.Rand, broken.Body))
	}
	*m = &broken
}

// mutateOrder swaps, repeats, drops, or cuts off.
func (g *generator) mutateOrder(c *Conversation) {
	if step := &c.Steps[g.IntN(len(c.Steps))]; len(step.Answers) > 0 && g.chance(2) {
		g.mutateAnswers(c, step)
		return
	}
	i, j := g.IntN(len(c.Steps)), g.IntN(len(c.Steps))
	switch g.IntN(6) {
	case 0:
		c.Steps[i], c.Steps[j] = c.Steps[j], c.Steps[i]
	case 1:
		c.Steps = insert(c.Steps, j, c.Steps[i])
	case 2:
		c.Steps = append(c.Steps[:i], c.Steps[i+1:]...)
	case 3:
		c.Steps = c.Steps[:i+1]
		if g.side == target.Frontend && c.Kind != Raw {
			c.Steps = append(c.Steps, Step{End: g.end()})
		} else {
			c.Steps[i].Cancel = c.Kind == EventSourced || c.Kind == ValueEntity
		}
	case 4:
		c.Steps[i].Eager = true
	default:
		// A step of another conversation.
		other := g.valid(c.Kind)
		if len(other.Steps) > 0 {
			c.Steps = insert(c.Steps, j, other.Steps[g.IntN(len(other.Steps))])
		}
	}
}

func (g *generator) end() End {
	switch g.IntN(40) {
	case 0:
		return Disconnect
	case 1, 2, 3, 4, 5, 6, 7, 8, 9:
		return HalfClose
	default:
		return Reset
	}
}

// mutateAnswers swaps, repeats, drops or cuts off what a user function answers.
func (g *generator) mutateAnswers(c *Conversation, step *Step) {
	step.Answers = append([]Answer(nil), step.Answers...)
	i, j := g.IntN(len(step.Answers)), g.IntN(len(step.Answers))
	switch g.IntN(6) {
	case 0:
		step.Answers[i], step.Answers[j] = step.Answers[j], step.Answers[i]
	case 1, 2:
		step.Answers = insert(step.Answers, j, step.Answers[i])
	case 3:
		step.Answers = append(step.Answers[:i], step.Answers[i+1:]...)
	case 4:
		step.Answers[i].Prefix = []string{"compressed", "longer", "shorter"}[g.IntN(3)]
	default:
		ends := []End{OK, Failed, Reset}
		end := ends[g.IntN(len(ends))]
		if g.chance(500) && (c.Kind == EventSourced || c.Kind == ValueEntity) {
			end = Disconnect
		}
		step.Answers = insert(step.Answers, j, Answer{End: end})
	}
}

// insert returns a copy of s with one more element at i.
func insert[T any](s []T, i int, more T) []T {
	out := make([]T, 0, len(s)+1)
	return append(append(append(out, s[:i]...), more), s[i:]...)
}
