package journaltest

import (
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// suite is one store's run.
type suite struct {
	open   func(t *testing.T) journal.Store
	reopen func(t *testing.T, s journal.Store) journal.Store
	second func(t *testing.T, s journal.Store) journal.Store
	effort Effort
	shards journal.Shard // the last that a case with faults used

	faults     func(t *testing.T, s journal.Store) (journal.Store, Link)
	restart    func(t *testing.T)
	crashWhere func(t *testing.T) string
	crashOpen  func(where string) (journal.Store, error)
}

// patience bounds every case; it is reached only by a store that hangs.
const patience = 5 * time.Minute

// Run runs the whole suite as subtests of t. open returns an empty store; the suite
// closes it. Run must not be called in parallel with itself.
func Run(t *testing.T, open func(t *testing.T) journal.Store, options ...Option) {
	su := &suite{open: open}
	for _, o := range options {
		o(su)
	}
	su.effort = su.effort.withDefaults()
	setRapid(t, su.effort)
	for _, c := range su.cases() {
		t.Run(c.name, c.run)
	}
}

// testCase is one case of the suite.
type testCase struct {
	name string
	run  func(*testing.T)
}

func (su *suite) cases() []testCase {
	cases := []testCase{
		{"Append", su.testAppend},
		{"Notes", su.testNotes},
		{"Adopt", su.testAdopt},
		{"Read in chunks", su.testChunks},
		{"Ten thousand events", su.testManyEvents},
		{"Snapshots", su.testSnapshots},
		{"Prune", su.testPrune},
		{"Begin", su.testBegin},
		{"Values", su.testValues},
		{"Odd ids", su.testOddIDs},
		{"Listing", su.testListing},
		{"Listing while writing", su.testListingWhileWriting},
		{"Big payloads", su.testBigPayloads},
		{"Limits", su.testLimits},
		{"Payloads are not shared", su.testOwnMemory},
		{"Cancelled", su.testCancelled},
		{"Leases", su.testLeases},
		{"Claims", su.testClaims},
		{"Fencing", su.testFencing},
		{"Model", su.testModel},
		{"Racing appends", su.testRacingAppends},
		{"Racing puts", su.testRacingPuts},
		{"Racing claims", su.testRacingClaims},
		{"Racing owners", su.testRacingOwners},
		{"Racing renewals", su.testRacingRenewals},
		{"Renewal against end", su.testRenewAgainstEnd},
		{"Close", su.testClose},
	}
	if su.reopen != nil {
		cases = append(cases, testCase{"Reopen", su.testReopen})
	}
	if su.second != nil {
		cases = append(cases,
			testCase{"Two owners", su.testTwoOwners},
			testCase{"Two owners racing", su.testTwoOwnersRacing})
	}
	if su.faults != nil {
		cases = append(cases,
			testCase{"Late writes", su.testLateWrites},
			testCase{"Lost answers", su.testLostAnswers})
	}
	if su.restart != nil {
		cases = append(cases, testCase{"Server restart", su.testServerRestart})
	}
	if su.crashOpen != nil {
		cases = append(cases, testCase{"Process crash", su.testCrash})
	}
	return cases
}
