package proxy

import "github.com/stateful-serverless/cloudstate/tck/suite"

func forwardCases() []suite.Case { return nil }
func effectCases() []suite.Case  { return nil }
func limitCases() []suite.Case   { return nil }
