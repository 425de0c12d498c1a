package claim

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// SchemaVersion is the version of a claim's JSON form: see [verdict.SchemaVersion] for how it changes.
const SchemaVersion = "1.0"

// Claim says that an implementation conforms to profiles of a version of SPEC.md.
type Claim struct {
	Schema         string              `json:"schema_version"`
	Spec           verdict.SpecVersion `json:"spec"`
	Party          spec.Party          `json:"party"`
	Implementation Implementation      `json:"implementation"`
	// Profiles are those that are claimed, sorted; core is always among them.
	Profiles    []string    `json:"profiles"`
	Environment Environment `json:"environment"`
	Reproduce   Reproduce   `json:"reproduce"`
	Results     Results     `json:"results"`
	// Digest is that of the results: see [Claim.Sum].
	Digest string `json:"digest"`
}

// Implementation is who is claimed to conform.
type Implementation struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Says is what the target said of itself when it was judged; empty when it said nothing.
	Says string `json:"says,omitempty"`
}

// Environment is where it was shown.
type Environment struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	Kit  string `json:"kit"`
	// Store is what a proxy was started with.
	Store string `json:"store,omitempty"`
}

// Reproduce says how to show it again.
type Reproduce struct {
	// Command are the arguments of cloudstate-tck. Whoever runs them runs the programs that they name.
	Command []string `json:"command"`
	// Note is what the command needs besides, for a person: programs, databases, variables.
	Note string `json:"note,omitempty"`
}

// Results are the verdicts by id, of the requirements of the claimed profiles that bind the party, and of the cases that prove them.
type Results struct {
	Requirements map[string]verdict.Verdict `json:"requirements"`
	Cases        map[string]verdict.Verdict `json:"cases"`
}

// Subject is what is to be claimed.
type Subject struct {
	// Party is proxy or frontend; "" means the one that the report judged.
	Party spec.Party
	// Profiles are to be claimed; none means all that the target claims. core is added.
	Profiles []string
	// Name and Version are the implementation's; "" means what it says of itself.
	Name, Version string
	// Note goes into [Reproduce].
	Note string
}

// ErrUnfounded is wrapped by every reason why a report does not bear a claim.
var ErrUnfounded = errors.New("the report does not bear the claim")

// New makes the claim that the report bears, or says why it does not.
func New(r *verdict.Report, subject Subject) (*Claim, error) {
	c := &Claim{
		Schema: SchemaVersion, Spec: r.Spec, Party: subject.Party,
		Environment: Environment{OS: runtime.GOOS, Arch: runtime.GOARCH, Kit: r.Kit, Store: r.Target.Store},
		Reproduce:   Reproduce{Command: r.Command, Note: subject.Note},
	}
	if r.Selection.Partial {
		return nil, fmt.Errorf("%w: cases were left out by choice; run without --suite, --label and --focus", ErrUnfounded)
	}
	if len(r.Command) == 0 {
		return nil, fmt.Errorf("%w: it does not say how it was made; judge again with this version of the kit", ErrUnfounded)
	}
	var err error
	if c.Party, err = party(r, subject.Party); err != nil {
		return nil, err
	}
	if c.Profiles, err = profiles(r.Target.Claims[c.Party], subject.Profiles); err != nil {
		return nil, err
	}
	if c.Implementation, err = implementation(r.Target, c.Party, subject); err != nil {
		return nil, err
	}
	c.Results = ResultsOf(r, c.Party, c.Profiles)
	if broken := unmet(r, c); len(broken) > 0 {
		return nil, fmt.Errorf("%w: of profiles %s\n  %s", ErrUnfounded, strings.Join(c.Profiles, ", "), strings.Join(broken, "\n  "))
	}
	c.Digest = c.Sum()
	return c, nil
}

// party is who the claim is about.
func party(r *verdict.Report, wanted spec.Party) (spec.Party, error) {
	var judged []spec.Party
	for _, p := range []spec.Party{spec.Proxy, spec.Frontend} {
		if _, ok := r.Target.Claims[p]; ok {
			judged = append(judged, p)
		}
	}
	switch {
	case wanted != "" && !slices.Contains(judged, wanted):
		return "", fmt.Errorf("%w: it judged no %s", ErrUnfounded, wanted)
	case wanted != "":
		return wanted, nil
	case len(judged) == 1:
		return judged[0], nil
	}
	return "", fmt.Errorf("%w: say whose claim it is with --party: it judged %v", ErrUnfounded, judged)
}

// profiles are those to claim, of those that the target claims.
func profiles(claimed, wanted []string) ([]string, error) {
	if len(wanted) == 0 {
		wanted = claimed
	}
	for _, name := range wanted {
		if !slices.Contains(claimed, name) {
			return nil, fmt.Errorf("%w: the target does not claim the profile %s; it claims %s", ErrUnfounded, name, strings.Join(claimed, ", "))
		}
	}
	all := append(slices.Clone(wanted), "core")
	slices.Sort(all)
	return slices.Compact(all), nil
}

// implementation is the target by its name and version.
func implementation(t verdict.Target, p spec.Party, subject Subject) (Implementation, error) {
	i := Implementation{Name: subject.Name, Version: subject.Version, Says: saidOf(t, p)}
	name, version := i.Says, ""
	if at := strings.LastIndexByte(i.Says, ' '); at > 0 {
		name, version = i.Says[:at], i.Says[at+1:]
	}
	if i.Name == "" {
		i.Name = name
	}
	if i.Version == "" {
		i.Version = version
	}
	if i.Name == "" || i.Version == "" {
		return i, fmt.Errorf("%w: the target does not say its name and version; give them with --name and --version", ErrUnfounded)
	}
	return i, nil
}

// saidOf is what the party said of itself.
func saidOf(t verdict.Target, p spec.Party) string {
	if p == spec.Frontend {
		return t.FrontendVersion
	}
	return t.ProxyVersion
}

// within tells whether a requirement belongs to a claim of the party to the profiles.
func within(r verdict.Requirement, p spec.Party, profiles []string) bool {
	return r.Party.Binds(p) && slices.Contains(profiles, r.Profile)
}

// ResultsOf picks out of a report what a claim of the party to the profiles rests on.
func ResultsOf(r *verdict.Report, p spec.Party, profiles []string) Results {
	out := Results{Requirements: map[string]verdict.Verdict{}, Cases: map[string]verdict.Verdict{}}
	proofs := map[string]bool{}
	for _, requirement := range r.Requirements {
		if !within(requirement, p, profiles) {
			continue
		}
		out.Requirements[requirement.ID] = requirement.Verdict
		for _, id := range requirement.Cases {
			proofs[id] = true
		}
	}
	for _, k := range r.Cases {
		if proofs[k.ID] {
			out.Cases[k.ID] = k.Verdict
		}
	}
	return out
}

// unmet names the MUSTs that the claim needs and that did not pass.
func unmet(r *verdict.Report, c *Claim) []string {
	var broken []string
	for _, requirement := range r.Requirements {
		if !within(requirement, c.Party, c.Profiles) || !requirement.Level.Mandatory() {
			continue
		}
		// Not applicable is what only cases with the other party prove, which was not given.
		if requirement.Verdict == verdict.Passed || requirement.Verdict == verdict.NotApplicable || requirement.Verdict == verdict.NotRun && requirement.Untestable {
			continue
		}
		line := fmt.Sprintf("%s (%s, %s) %s", requirement.ID, requirement.Level, requirement.Profile, strings.ReplaceAll(string(requirement.Verdict), "_", " "))
		if requirement.Reason != "" {
			line += ": " + requirement.Reason
		}
		broken = append(broken, line)
	}
	return broken
}
