package tckmodel

import (
	"time"

	cloudstate "github.com/stateful-serverless/cloudstate/support-go"
)

const (
	snapshotEvery      = 5                      // events, of EventSourcedTckModel
	passivationTimeout = 100 * time.Millisecond // of the Configured services
)

// Services returns all services of the model that this library can serve.
func Services() []cloudstate.Service {
	return []cloudstate.Service{
		actionModel(), actionTwo(),
		valueModel(), valueTwo(), valueConfigured(),
		eventSourcedModel(), eventSourcedTwo(), eventSourcedConfigured(),
	}
}
