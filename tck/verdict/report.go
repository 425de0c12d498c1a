package verdict

import (
	"time"

	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// SchemaVersion is the version of the report's JSON form. The first number changes when a reader of the old form would
// misunderstand the new one, the second when something is added.
const SchemaVersion = "1.1"

// Verdict is what is said of a case or of a requirement.
type Verdict string

// The verdicts, in the words of SPEC.md.
const (
	Passed        Verdict = "passed"
	Failed        Verdict = "failed"
	Flaky         Verdict = "flaky"
	Error         Verdict = "error"
	NotApplicable Verdict = "not_applicable"
	NotRun        Verdict = "not_run"
)

// Broken tells whether something else than what was expected was seen, at least once.
func (v Verdict) Broken() bool { return v == Failed || v == Flaky }

// Conclusion is what is said of a whole run.
type Conclusion string

// The conclusions.
const (
	// Conforms: every applicable MUST passed, apart from what was announced and what SPEC.md says cannot be tested.
	Conforms Conclusion = "passed"
	// Breaks: a MUST failed, or is flaky, that was not announced, or an announced failure did not happen.
	Breaks Conclusion = "failed"
	// Incomplete: nothing failed, but the kit was at fault, a target did not come up, or an applicable MUST was not judged.
	Incomplete Conclusion = "incomplete"
)

// Report is the whole result of a run.
type Report struct {
	Schema string `json:"schema_version"`
	Kit    string `json:"kit"`
	// Command are the arguments of cloudstate-tck that made the report; empty when something else ran the engine.
	Command      []string      `json:"command,omitempty"`
	Spec         SpecVersion   `json:"spec"`
	Started      time.Time     `json:"started"`
	DurationMS   int64         `json:"duration_ms"`
	Seed         int64         `json:"seed"`
	Target       Target        `json:"target"`
	Selection    Selection     `json:"selection"`
	Summary      Summary       `json:"summary"`
	Requirements []Requirement `json:"requirements"`
	Cases        []Case        `json:"cases"`
}

// SpecVersion says against what was judged.
type SpecVersion struct {
	Version  string `json:"version"`
	Protocol string `json:"protocol"`
}

// Target says what was judged.
type Target struct {
	// Name is one line for all of it, such as "builtin:reference x builtin:go, store embedded".
	Name string `json:"name"`
	// Proxy, Frontend and Store are as they were given; empty when not under judgement.
	Proxy    string `json:"proxy,omitempty"`
	Frontend string `json:"frontend,omitempty"`
	Store    string `json:"store,omitempty"`
	// Environment is what befell the targets; empty for the plain one.
	Environment string `json:"environment,omitempty"`
	// ProxyVersion and FrontendVersion are what the targets said of themselves.
	ProxyVersion    string `json:"proxy_version,omitempty"`
	FrontendVersion string `json:"frontend_version,omitempty"`
	// Claims are the profiles, by party.
	Claims map[spec.Party][]string `json:"claims"`
}

// Selection says which cases were asked for. A run is partial when it left cases out for no reason of the target's.
type Selection struct {
	Suites  []string `json:"suites,omitempty"`
	Label   string   `json:"label,omitempty"`
	Focus   []string `json:"focus,omitempty"`
	Partial bool     `json:"partial"`
}

// Summary is the report in numbers, with the conclusion and everything that led to it.
type Summary struct {
	Conclusion Conclusion `json:"conclusion"`
	// Problems are what keeps the conclusion from being "passed", one sentence each.
	Problems     []string          `json:"problems"`
	Requirements RequirementCounts `json:"requirements"`
	Cases        CaseCounts        `json:"cases"`
}

// RequirementCounts counts the requirements by class of level.
type RequirementCounts struct {
	Must   Counts `json:"must"`
	Should Counts `json:"should"`
	May    Counts `json:"may"`
}

// Counts says what became of the applicable requirements of a class: Applicable = Passed + Failed + Flaky + Error + NotRun.
type Counts struct {
	Applicable int `json:"applicable"`
	Passed     int `json:"passed"`
	Failed     int `json:"failed"`
	Flaky      int `json:"flaky"`
	Error      int `json:"error"`
	NotRun     int `json:"not_run"`
	// Untestable counts those of NotRun that SPEC.md says no case can prove.
	Untestable int `json:"untestable"`
	// Announced counts those of Failed, Flaky and NotRun whose shortfall was announced in the expected-failures file.
	Announced int `json:"announced"`
	// NotApplicable are outside of Applicable.
	NotApplicable int `json:"not_applicable"`
}

// CaseCounts counts the cases by verdict.
type CaseCounts struct {
	Total         int `json:"total"`
	Passed        int `json:"passed"`
	Failed        int `json:"failed"`
	Flaky         int `json:"flaky"`
	Error         int `json:"error"`
	NotApplicable int `json:"not_applicable"`
	NotRun        int `json:"not_run"`
	// Announced counts those of Failed and Flaky that were announced.
	Announced int `json:"announced"`
}

// Requirement is one requirement of the catalogue with what became of it.
type Requirement struct {
	ID      string     `json:"id"`
	Area    string     `json:"area"`
	Level   spec.Level `json:"level"`
	Party   spec.Party `json:"party"`
	Profile string     `json:"profile"`
	Text    string     `json:"text"`
	Verdict Verdict    `json:"verdict"`
	// Reason explains NotApplicable and NotRun.
	Reason string `json:"reason,omitempty"`
	// Untestable is set when SPEC.md says that no case can prove it.
	Untestable bool `json:"untestable,omitempty"`
	// Announced is why a shortfall was expected; empty when none was announced.
	Announced string `json:"announced,omitempty"`
	// Cases are the ids of the cases that prove it.
	Cases []string `json:"cases"`
}

// Case is one case with what became of it.
type Case struct {
	ID           string     `json:"id"`
	Title        string     `json:"title"`
	Kind         suite.Kind `json:"kind"`
	Requirements []string   `json:"requirements"`
	Labels       []string   `json:"labels,omitempty"`
	Target       string     `json:"target"`
	Verdict      Verdict    `json:"verdict"`
	DurationMS   int64      `json:"duration_ms"`
	// Reason explains Error, NotApplicable and NotRun.
	Reason string `json:"reason,omitempty"`
	// Failure is set when Verdict is Failed or Flaky.
	Failure *suite.Failure `json:"failure,omitempty"`
	// Announced is why a failure was expected; empty when none was announced.
	Announced string `json:"announced,omitempty"`
	// Attempts are the runs of a case that ran more than once, in their order.
	Attempts []Attempt `json:"attempts,omitempty"`
	// Notes are what the case observed beyond its verdict.
	Notes []string `json:"notes,omitempty"`
	// Logs are the target's last lines, kept when the case did not pass.
	Logs []string `json:"logs,omitempty"`
	// Trace is the recorded conversation, kept when the case did not pass, or when all are kept.
	Trace []Message `json:"trace,omitempty"`
	// Skipped is set when the person who ran the kit left the case out: not a shortfall of the target.
	Skipped bool `json:"left_out,omitempty"`
	// NoTarget is set when the case needs a party that was not given to the kit.
	NoTarget bool `json:"-"`
}

// Attempt is one of several runs of a case.
type Attempt struct {
	Verdict    Verdict `json:"verdict"`
	DurationMS int64   `json:"duration_ms"`
	// Reason is how it failed, or why there is no verdict.
	Reason string `json:"reason,omitempty"`
}

// Message is one recorded message of a case's conversation.
type Message struct {
	// Seq numbers the messages of the run.
	Seq uint64 `json:"seq"`
	// AtMS is the time since the case began, in milliseconds.
	AtMS   float64 `json:"at_ms"`
	From   string  `json:"from"`
	To     string  `json:"to"`
	Stream uint64  `json:"stream"`
	Method string  `json:"method"`
	// Kind is open, message, half-close, status or cancel.
	Kind string `json:"kind"`
	Body string `json:"body,omitempty"`
}
