package claim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// Sum is the digest of what is claimed and of the results: "sha256:" and the sum, in hexadecimal, of lines that each end with a line feed.
//
//	cloudstate-claim 1
//	spec VERSION
//	party PARTY
//	profile NAME                 for each profile, sorted
//	requirement ID VERDICT       for each requirement, sorted by id
//	case ID VERDICT              for each case, sorted by id
//
// Times, order, seed, traces and the wording of reasons are not in it, so two runs with the same results have the same digest.
func (c *Claim) Sum() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cloudstate-claim 1\nspec %s\nparty %s\n", c.Spec.Version, c.Party)
	for _, name := range slices.Sorted(slices.Values(c.Profiles)) {
		fmt.Fprintf(&b, "profile %s\n", name)
	}
	for _, part := range []struct {
		word     string
		verdicts map[string]verdict.Verdict
	}{{"requirement", c.Results.Requirements}, {"case", c.Results.Cases}} {
		for _, id := range slices.Sorted(maps.Keys(part.verdicts)) {
			fmt.Fprintf(&b, "%s %s %s\n", part.word, id, part.verdicts[id])
		}
	}
	sum := sha256.Sum256([]byte(b.String()))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Intact is nil when the digest is that of the results; otherwise the claim was altered since it was made.
func (c *Claim) Intact() error {
	if sum := c.Sum(); sum != c.Digest {
		return fmt.Errorf("the claim was altered: its digest is %s, that of its results %s", c.Digest, sum)
	}
	return nil
}

// Differences says where a later report does not show what c claims, one sentence each; none means that the claim holds.
func (c *Claim) Differences(r *verdict.Report) []string {
	var out []string
	differ := func(what, claimed, shown string) {
		out = append(out, fmt.Sprintf("%s: claimed %s, now %s", what, orAbsent(claimed), orAbsent(shown)))
	}
	if c.Spec.Version != r.Spec.Version {
		differ("version of SPEC.md", c.Spec.Version, r.Spec.Version)
	}
	if said := saidOf(r.Target, c.Party); said != c.Implementation.Says {
		differ("the "+string(c.Party)+" calls itself", c.Implementation.Says, said)
	}
	if _, judged := r.Target.Claims[c.Party]; !judged {
		return append(out, fmt.Sprintf("no %s was judged", c.Party))
	}
	for _, name := range c.Profiles {
		if !slices.Contains(r.Target.Claims[c.Party], name) {
			differ("profile "+name, "claimed", "not claimed by the target")
		}
	}
	now := ResultsOf(r, c.Party, c.Profiles)
	out = append(out, compareVerdicts("requirement", c.Results.Requirements, now.Requirements)...)
	return append(out, compareVerdicts("case", c.Results.Cases, now.Cases)...)
}

func compareVerdicts(word string, claimed, shown map[string]verdict.Verdict) []string {
	ids := slices.AppendSeq(slices.Collect(maps.Keys(claimed)), maps.Keys(shown))
	slices.Sort(ids)
	var out []string
	for _, id := range slices.Compact(ids) {
		if claimed[id] != shown[id] {
			out = append(out, fmt.Sprintf("%s %s: claimed %s, now %s", word, id, orAbsent(string(claimed[id])), orAbsent(string(shown[id]))))
		}
	}
	return out
}

func orAbsent(text string) string {
	if text == "" {
		return "absent"
	}
	return strings.ReplaceAll(text, "_", " ")
}

// Sentence is the claim as SPEC.md words one.
func (c *Claim) Sentence() string {
	what := map[spec.Party]string{spec.Proxy: "as a proxy", spec.Frontend: "as a frontend"}[c.Party]
	return fmt.Sprintf("%s %s conforms to Cloudstate %s %s, profiles %s", c.Implementation.Name, c.Implementation.Version, c.Spec.Version, what, strings.Join(c.Profiles, ", "))
}
