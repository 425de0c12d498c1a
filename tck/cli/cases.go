package cli

import (
	"slices"

	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/suite/frontend"
	"github.com/stateful-serverless/cloudstate/tck/suite/pair"
	"github.com/stateful-serverless/cloudstate/tck/suite/proxy"
	"github.com/stateful-serverless/cloudstate/tck/suite/storm"
)

// Cases returns every case of the kit, in the order in which lists show them.
func Cases() []suite.Case {
	return slices.Concat(
		frontend.Cases(),
		proxy.Cases(),
		pair.Cases(),
		storm.Cases(),
	)
}
