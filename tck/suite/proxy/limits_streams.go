package proxy

import (
	"context"
	"fmt"

	"github.com/stateful-serverless/cloudstate/mockfunction/model"
	actmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/action"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// streamLimitCases are about user functions that allow few concurrent streams a connection.
func streamLimitCases() []suite.Case {
	var cases []suite.Case
	for _, limit := range []uint32{1, 10} {
		cases = append(cases, suite.Case{
			ID:           fmt.Sprint("lim/proxy/streams-", limit),
			Title:        fmt.Sprintf("many instances are active with a user function that allows %d concurrent streams a connection, and actions do not wait", limit),
			Requirements: requires("LIM-13", "LIM-14"), Kind: suite.Proxy, Needs: []string{suite.EventSourced}, OwnTarget: true,
			Run: func(ctx context.Context, t *suite.T) {
				config := suite.ModelFunction()
				config.MaxConcurrentStreams = limit
				manyInstances(own(ctx, t, config), 3*int(limit)+20)
			},
		})
	}
	return append(cases, loweringCase())
}

// manyInstances has n instances active at once, of all kinds that the proxy serves, each with a command in flight.
func manyInstances(s *scene, n int) {
	kinds := []*kind{eventSourced}
	if s.serves(suite.ValueEntity) {
		kinds = append(kinds, valueBased)
	}
	var instances []*instance
	for range n {
		for _, k := range kinds {
			instances = append(instances, s.entity(k, k.model).put("LIM-13", "A"))
		}
		s.actsBesides()
	}
	var calls []*call
	for _, i := range instances {
		calls = append(calls, i.e.call("held"))
		i.command("LIM-13", "held")
	}
	s.actsBesides()
	for n, i := range instances {
		i.replies("released", "B")
		calls[n].replies("LIM-13", i.e.k.response("released"))
	}
	for _, i := range instances {
		i.asks("LIM-13", "still active")
		i.e.unopened("LIM-13", "its instance is active")
	}
}

// actsBesides calls an action, when the proxy serves actions.
func (s *scene) actsBesides() {
	if !s.serves(suite.Action) {
		return
	}
	c := s.call("/"+model.ActionTwo+"/Call", &actmodel.OtherRequest{}, &actmodel.Response{})
	c.replies("LIM-14", &actmodel.Response{})
}
