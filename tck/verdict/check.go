package verdict

import (
	"errors"
	"fmt"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// CheckCases holds the cases against the catalogue: every requirement that a case names exists, is in force, and binds a party that
// the case judges. All faults are returned, joined.
func CheckCases(catalogue *spec.Catalogue, cases []suite.Case) error {
	var faults []error
	for _, c := range cases {
		for _, id := range c.Requirements {
			r, ok := catalogue.Lookup(id)
			switch {
			case !ok:
				faults = append(faults, fmt.Errorf("case %s names the unknown requirement %s%s", c.ID, id, nearest(catalogue, id)))
			case !r.InForce():
				faults = append(faults, fmt.Errorf("case %s names %s, which was withdrawn: %s", c.ID, id, r.Withdrawn))
			case !judges(c.Kind, r.Party):
				faults = append(faults, fmt.Errorf("case %s judges the %s, but %s binds the %s", c.ID, c.Kind, id, r.Party))
			}
		}
	}
	return errors.Join(faults...)
}

// judges tells whether cases of that kind can prove something of that party. The store shows only through the proxy.
func judges(kind suite.Kind, party spec.Party) bool {
	switch kind {
	case suite.Frontend:
		return party.Binds(spec.Frontend)
	case suite.Proxy:
		return party.Binds(spec.Proxy) || party == spec.Store
	default:
		return true
	}
}
