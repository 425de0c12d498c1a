package config

import (
	"slices"
	"strings"
	"testing"
)

func TestVariablesThatAreNoSettingAreTold(t *testing.T) {
	for _, tc := range []struct{ name, entry, want string }{
		{"misspelt", "CLOUDSTATE_STROE=memory", "did you mean CLOUDSTATE_STORE?"},
		{"a letter left out of many", "CLOUDSTATE_PASIVATION_TIMEOUT=1m", "did you mean CLOUDSTATE_PASSIVATION_TIMEOUT?"},
		{"a setting with a traditional variable", "CLOUDSTATE_HTTP_PORT=9000", "did you mean HTTP_PORT?"},
		{"nothing near", "CLOUDSTATE_XY=1", "see --help for all settings"},
		{"a port that is none of a Service", "CLOUDSTATE_PROXY_PORT=9000", "did you mean HTTP_PORT?"},
		{"in small letters", "cloudstate_stroe=memory", ""},
		{"a setting", "CLOUDSTATE_STORE=memory", ""},
		{"a setting with a wrong value", "CLOUDSTATE_STORE=x", ""},
		{"another program's", "CLOUDSTATED_STORE=memory", ""},
		{"empty", "CLOUDSTATE_STROE=", ""},
		{"no value at all", "CLOUDSTATE_STROE", ""},
		{"a Service's host", "CLOUDSTATE_PROXY_SERVICE_HOST=10.0.0.9", ""},
		{"the host of a Service named cloudstate", "CLOUDSTATE_SERVICE_HOST=10.0.0.9", ""},
		{"a Service's port", "CLOUDSTATE_PROXY_SERVICE_PORT=9000", ""},
		{"a Service's named port", "CLOUDSTATE_PROXY_SERVICE_PORT_GRPC_WEB=9000", ""},
		{"a Service's address", "CLOUDSTATE_PROXY_PORT=tcp://10.0.0.9:9000", ""},
		{"one port's address", "CLOUDSTATE_PROXY_PORT_9000_TCP=tcp://10.0.0.9:9000", ""},
		{"one port's protocol", "CLOUDSTATE_PROXY_PORT_9000_TCP_PROTO=tcp", ""},
		{"one port's number", "CLOUDSTATE_PROXY_PORT_9000_UDP_PORT=9000", ""},
		{"one port's host", "CLOUDSTATE_PROXY_PORT_9000_SCTP_ADDR=10.0.0.9", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var want []Unknown
			if tc.want != "" {
				name, _, _ := strings.Cut(tc.entry, "=")
				want = []Unknown{{Variable: name, Remedy: tc.want}}
			}
			if got := UnknownVariables([]string{"PATH=/bin", tc.entry}); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
