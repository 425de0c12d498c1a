package proxy

import (
	"slices"

	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// Cases returns all cases that judge a proxy, in the order of SPEC.md.
func Cases() []suite.Case {
	return slices.Concat(
		discoveryCases(),
		servingCases(),
		eventSourcedCases(),
		valueEntityCases(),
		actionCases(),
		forwardCases(),
		effectCases(),
		metadataCases(),
		idempotencyCases(),
		serializationCases(),
		operationCases(),
		limitCases(),
		storeCases(),
	)
}
