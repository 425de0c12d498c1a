package proxy

import "github.com/stateful-serverless/cloudstate/tck/suite"

func limitCases() []suite.Case { return nil }
