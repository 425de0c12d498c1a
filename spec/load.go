package spec

import (
	"sync"

	cloudstate "github.com/stateful-serverless/cloudstate"
)

// Load returns the catalogue of the SPEC.md that is embedded in this build. The text is parsed once for the process; every call
// returns the same catalogue. The error can only mean that the build was made from a broken SPEC.md.
func Load() (*Catalogue, error) { return load() }

var load = sync.OnceValues(func() (*Catalogue, error) { return Parse([]byte(cloudstate.Spec)) })
