package engine

import (
	"time"

	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/spec"
	"github.com/stateful-serverless/cloudstate/tck/environment"
	"github.com/stateful-serverless/cloudstate/tck/suite"
	"github.com/stateful-serverless/cloudstate/tck/target"
	"github.com/stateful-serverless/cloudstate/tck/verdict"
)

// Defaults of [Config].
const (
	DefaultTimeout      = 10 * time.Second
	DefaultStartTimeout = 60 * time.Second
)

// Names of stores that do not outlive the proxy's process.
const (
	Memory = "memory"
	None   = "none"
)

// Config says what to judge and with what.
type Config struct {
	// Proxy and Frontend are the targets; at least one is set. Both together make a pair besides.
	Proxy, Frontend target.Ref
	// Store is passed to a proxy that the kit starts (CLOUDSTATE_STORE). "" leaves the choice to the proxy, and counts as not durable.
	Store string
	// StoreServer is the server that the store needs, when the kit is to start it or knows where it is; nil when whoever runs the kit has seen to it.
	StoreServer *StoreServer
	// StoreCapabilities are what is declared of the store.
	StoreCapabilities target.Capabilities
	// StoreAway and StoreBack are shell commands that make the store unreachable for every proxy of the run and reachable again; both or none. With
	// them the profile remote-store is claimed. The second returns when the store can be reached.
	StoreAway, StoreBack string
	// StoreAddress is host:port of the proxies' store. In an environment with links one is put in front of it, and the kit's environment variables that contain this text
	// reach the proxy with the link's address in its place. "" leaves the hop to the store as it is.
	StoreAddress string
	// Environment is what befalls the pair while it is judged; the zero value is the plain one.
	Environment environment.Environment
	// Disturbances is how many of them a case sees that works in such an environment. 0 means environment.DefaultBudget.
	Disturbances int
	// FewNamespaces gives a namespace whose proxy has stopped in an orderly way to the next proxy that a case has for itself.
	FewNamespaces bool
	// Management is host:port of the management endpoint of a proxy that is an address; empty when it has none.
	Management string
	// FunctionAddress is where a proxy that is an address looks for its user function; the kit listens there.
	FunctionAddress string
	// Kit names this program and its version in the report.
	Kit string
	// Command are the arguments that led to this run, for the report.
	Command []string
	// Catalogue is what is judged against.
	Catalogue *spec.Catalogue
	// Cases are all cases of the kit, whether wanted or not.
	Cases []suite.Case
	// Selection chooses among them.
	Selection Selection
	// Announced are the failures that are expected.
	Announced []verdict.Announced
	// MostRuns is how often a case may run: one that did not pass runs again until a verdict came twice. 0 and 1 mean once.
	MostRuns int
	// KeepTraces keeps the conversations of cases that passed, too.
	KeepTraces bool
	// Timeout bounds a case; StartTimeout bounds the start of a target. 0 means the defaults.
	Timeout, StartTimeout time.Duration
	// Seed determines the order of the cases, and what the environment does.
	Seed int64
	// Schedule runs the steps; nil means [Ginkgo], which works once a process.
	Schedule Schedule
	// Events, when set, is told what happens as it happens, from one goroutine at a time.
	Events Events
	// Conversation, when set, gets what was recorded of each case that ran, with its verdict and when it began, from one goroutine at a time.
	Conversation func(c verdict.Case, began time.Time, messages []trace.Message)
}

// StoreServer is a database server and what is told of it. Values are templates over Host and Port, where clients reach it, Match, the named groups of the log
// line by which it was ready, and, for the commands, Pid or Container.
type StoreServer struct {
	// Ref says how it is started; an address is only awaited, and a builtin needs no server.
	Ref target.Ref
	// ProxyEnvironment is added to the environment of every proxy.
	ProxyEnvironment map[string]string
	// Away and Back become [Config.StoreAway] and StoreBack when the server is up.
	Away, Back string
}

// Events is told what happens during a run.
type Events interface {
	// Starting is called before something that may take a while, such as bringing a target up.
	Starting(what string)
	// Finished is called after each case that was considered, in the order in which they ran.
	Finished(c verdict.Case)
}

// silent is the Events of a run that nobody watches.
type silent struct{}

func (silent) Starting(string)       {}
func (silent) Finished(verdict.Case) {}

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.StartTimeout <= 0 {
		c.StartTimeout = DefaultStartTimeout
	}
	if c.Schedule == nil {
		c.Schedule = Ginkgo
	}
	if c.Environment.Name == "" {
		c.Environment = environment.All()[0]
	}
	if c.Disturbances <= 0 {
		c.Disturbances = environment.DefaultBudget
	}
	if c.Events == nil {
		c.Events = silent{}
	}
	return c
}
