package importrules

const (
	gen   = "protocols/gen"
	trace = "protocols/trace"
	proxy = "reference-proxy"
	// serversRoom starts databases; it holds nothing of the judge nor of the judged.
	serversRoom = "fixtures/servers"
)

const (
	edgeReason = "judge and judged share nothing but the generated protocol code, or the judge would share its subject's mistakes"
	roomReason = "the proxy's rooms are built in one direction, the command's way; a room that knows its callers cannot be tested or replaced alone"
	pureReason = "an entity's machine is pure (message in, instructions out) so that a test can hold every order of messages against it; I/O, clock and network are the driver's"
)

// Rules says who may import whom. Some of its rooms are not there yet: they have their place before they have code.
var Rules = []Rule{
	{Room: ".", Modules: []string{}, Reason: "the root package embeds SPEC.md and does nothing else"},
	{Room: "spec", May: []string{"."}, Modules: []string{"go.yaml.in/yaml/v3"}, Reason: "the catalogue is read from the text alone: nothing that implements it may bend it"},

	{
		Room: "protocols", May: []string{gen}, Reason: "the folder's own tests hold the generated code against the recorded wire facts",
	},
	{
		Room:    gen,
		Modules: []string{"google.golang.org/protobuf", "google.golang.org/grpc", "google.golang.org/genproto"},
		Reason:  "generated code is for anyone; google/api is genproto's, since registering a file twice panics",
	},
	{Room: trace, May: []string{gen}, Reason: "the record of wire messages is protocol knowledge only: the mocks and the judge read it alike"},
	{Room: "protocols/internal", May: []string{gen}, Reason: "node-to-node messages and stored state are protocol code"},

	{Room: "mockproxy", May: []string{gen, trace}, TestsMay: []string{"mockfunction"}, Reason: "a mock that shares code with what it faces proves nothing about it"},
	{Room: "mockfunction", May: []string{gen, trace}, TestsMay: []string{"mockproxy"}, Reason: "a mock that shares code with what it faces proves nothing about it"},

	{Room: "support-go", May: []string{gen}, TestsMay: []string{"mockproxy", trace}, Reason: edgeReason},
	{Room: "tck", May: []string{"spec", gen, trace, "mockproxy", "mockfunction", "fixtures/descriptors", serversRoom}, Reason: edgeReason},

	{Room: proxy, May: []string{gen, "protocols/internal"}, TestsMay: mocks, Reason: edgeReason},
	room("crdt"),
	room("telemetry"),
	room("config"),
	room("journal", "telemetry"),
	{
		Room: proxy + "/entity", May: []string{gen, "protocols/internal", proxy + "/crdt"},
		Never:  []string{"google.golang.org/grpc", "time", "context", "net", "os"},
		Reason: pureReason,
	},
	room("discovery", "config", "telemetry"),
	room("userfunction", "config", "telemetry"),
	room("entity/driver", "entity", "journal", "userfunction", "telemetry"),
	room("cluster", "crdt", "journal", "telemetry"),
	room("route", "entity", "entity/driver", "cluster", "discovery", "telemetry"),
	room("serve", "route", "discovery", "telemetry"),
	room("eventing", "route", "discovery", "journal", "telemetry"),
	room("autoscale", "cluster", "telemetry"),
	{Room: proxy + "/operator", Reason: "the operator deploys proxies by their image: it is of another process and another release"},
	{Room: proxy + "/cmd", May: []string{proxy + "/...", gen, "protocols/internal"}, TestsMay: mocks, Reason: "a command puts the rooms together, and only those"},

	{Room: "fixtures/descriptors", May: []string{gen}, Reason: "descriptors are data: they must not depend on who is tried with them"},
	{Room: serversRoom, Reason: "real servers of other makers are for everybody's tests: they must not depend on who is tried with them"},
	{Room: "fixtures", May: []string{gen, "support-go"}, Reason: "what is judged must not know its judge"},
	{Room: "samples", May: []string{gen, "support-go"}, TestsMay: []string{"mockproxy", trace}, Reason: "what is judged must not know its judge; a sample shows what a user can write"},
	{Room: "ci", Reason: "ci runs programs as a user would; it is not part of them"},
}

// mocks is what the proxy's tests may face the proxy with.
var mocks = []string{"mockfunction", trace, "fixtures/descriptors", serversRoom}

// room is the rule of a room of the proxy that may import other rooms of it, and protocol code as they all may.
func room(name string, may ...string) Rule {
	allowed := []string{gen, "protocols/internal"}
	for _, other := range may {
		allowed = append(allowed, proxy+"/"+other)
	}
	return Rule{Room: proxy + "/" + name, May: allowed, TestsMay: mocks, Reason: roomReason}
}
