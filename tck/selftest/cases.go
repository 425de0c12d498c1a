package selftest

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/stateful-serverless/cloudstate/spec"
)

// Case is what `cloudstate-tck list --json` tells of a case, as far as it matters here.
type Case struct {
	ID           string   `json:"id"`
	Suite        string   `json:"suite"`
	Requirements []string `json:"requirements"`
}

// pair is the suite of the cases that judge a proxy and a frontend together.
const pair = "pair"

// judges tells whether the case can catch a mutant of the target.
func (c Case) judges(target Target) bool { return c.Suite == string(target) || c.Suite == pair }

// checkRequirements holds the mutants against the catalogue: each breaks one MUST or SHOULD that is in force and binds its target.
func checkRequirements(mutants []Mutant, catalogue *spec.Catalogue) error {
	var faults []error
	for _, m := range mutants {
		for _, id := range m.Requirements() {
			r, ok := catalogue.Lookup(id)
			switch {
			case !ok:
				faults = append(faults, fmt.Errorf("%w: %s names the unknown requirement %s", ErrMutant, m.ID, id))
			case !r.InForce() || !slices.Contains([]spec.Level{spec.Must, spec.Should}, r.Level.Class()):
				faults = append(faults, fmt.Errorf("%w: %s breaks %s, which is no MUST or SHOULD in force", ErrMutant, m.ID, id))
			case !r.Party.Binds(spec.Party(m.Target)) && r.Party != spec.Store:
				faults = append(faults, fmt.Errorf("%w: %s breaks the %s, but %s binds the %s", ErrMutant, m.ID, m.Target, id, r.Party))
			}
		}
	}
	return errors.Join(faults...)
}

// checkCases holds the mutants against the TCK's cases: each mapped case exists, judges the mutant's target, alone or in a pair, and names its requirement.
func checkCases(mutants []Mutant, cases []Case) error {
	var faults []error
	for _, m := range mutants {
		for _, requirement := range m.Requirements() {
			for _, id := range m.casesOf(requirement) {
				at := slices.IndexFunc(cases, func(c Case) bool { return c.ID == id })
				switch {
				case at < 0:
					faults = append(faults, fmt.Errorf("%w: %s maps to the case %s, which the TCK does not have; `cloudstate-tck list` shows those it has", ErrMutant, m.ID, id))
				case !cases[at].judges(m.Target):
					faults = append(faults, fmt.Errorf("%w: %s breaks the %s, but its case %s judges the %s", ErrMutant, m.ID, m.Target, id, cases[at].Suite))
				case !slices.Contains(cases[at].Requirements, requirement):
					faults = append(faults, fmt.Errorf("%w: %s breaks %s, which its case %s does not name", ErrMutant, m.ID, requirement, id))
				}
			}
		}
	}
	return errors.Join(faults...)
}

// sample picks size cases that the mutant must leave intact: of its target, not about its requirement, not known to break with it. The
// same seed picks the same cases.
func sample(m Mutant, cases []Case, size int, seed uint64) []string {
	var ids []string
	for _, c := range cases {
		about := slices.ContainsFunc(m.Requirements(), func(id string) bool { return slices.Contains(c.Requirements, id) })
		if c.Suite == string(m.Target) && !about && !slices.Contains(m.AllCases(), c.ID) && !m.breaks(c) {
			ids = append(ids, c.ID)
		}
	}
	slices.Sort(ids)
	name := fnv.New64a()
	_, _ = name.Write([]byte(m.ID)) // a hash takes everything
	random := rand.New(rand.NewPCG(seed, name.Sum64()))
	random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	ids = ids[:min(size, len(ids))]
	slices.Sort(ids)
	return ids
}
