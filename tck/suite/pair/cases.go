package pair

import (
	"slices"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// Full names of the TCK's model services.
const (
	esModel      = "cloudstate.tck.model.EventSourcedTckModel"
	esTwo        = "cloudstate.tck.model.EventSourcedTwo"
	esConfigured = "cloudstate.tck.model.EventSourcedConfigured"
	veModel      = "cloudstate.tck.model.valueentity.ValueEntityTckModel"
	veTwo        = "cloudstate.tck.model.valueentity.ValueEntityTwo"
	veConfigured = "cloudstate.tck.model.valueentity.ValueEntityConfigured"
	actModel     = "cloudstate.tck.model.action.ActionTckModel"
	actTwo       = "cloudstate.tck.model.action.ActionTwo"
)

// Cases returns all cases that judge a pair, in the order of SPEC.md.
func Cases() []suite.Case {
	return slices.Concat(servingCases(), eventSourcedCases(), valueEntityCases(), actionCases(), crashCases())
}
