package protocols_test

import (
	"archive/zip"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/bufbuild/protocompile"
)

// javaLibrary is where ci/setup/java-library.sh puts the published library that carries the original .proto files.
const javaLibrary = "../out/foreign/library/cloudstate-java-support-0.5.2.jar"

// sinceJavaLibrary are the differences between our files and the library's, with their reasons. Everything else is equal.
var sinceJavaLibrary = map[string]string{
	// Protocol 0.2 added passivation strategies.
	"message cloudstate.EntityPassivationStrategy":        "extra: ",
	"field cloudstate.EntityPassivationStrategy.timeout":  "extra: 1 cloudstate.TimeoutPassivationStrategy in oneof strategy",
	"message cloudstate.TimeoutPassivationStrategy":       "extra: ",
	"field cloudstate.TimeoutPassivationStrategy.timeout": "extra: 1 int64",
	"field cloudstate.Entity.passivation_strategy":        "extra: 4 cloudstate.EntityPassivationStrategy",
	// It made a user function tell its version: the library's is therefore read as 0.0.
	"field cloudstate.ServiceInfo.protocol_major_version": "extra: 6 int32",
	"field cloudstate.ServiceInfo.protocol_minor_version": "extra: 7 int32",
	// It let a failure ask for a restart.
	"field cloudstate.Failure.restart": "extra: 3 bool",
	// Our extensions.
	"field cloudstate.Failure.grpc_status_code": "extra: 4 int32",
	"field cloudstate.ProxyInfo.extensions":     "extra: 6 string repeated",
}

// entityKeyOfJavaLibrary is the other number of the entity key: the library's copy of entity_key.proto has what
// legacy_entity_key has here.
const entityKeyOfJavaLibrary = "50002 bool extends google.protobuf.FieldOptions"

// TestJavaLibrarySpeaksTheSameProtocol compiles the files inside the published library and compares event sourcing.
func TestJavaLibrarySpeaksTheSameProtocol(t *testing.T) {
	jar, err := zip.OpenReader(javaLibrary)
	if err != nil {
		t.Fatalf("the published Java library is not there; 'make setup' fetches it: %v", err)
	}
	defer jar.Close()
	resolver := &protocompile.SourceResolver{Accessor: func(path string) (io.ReadCloser, error) { return jar.Open(path) }}
	compared := []string{"cloudstate/entity.proto", "cloudstate/event_sourced.proto"}

	theirs := facts{}
	for _, file := range compile(t, resolver, compared) {
		theirs.describe(t, file)
	}
	ours := facts{}
	for _, file := range compileRoots(t) {
		if slices.Contains(compared, file.Path()) {
			ours.describe(t, file)
		}
	}
	got := differences(theirs, ours)
	for key, want := range sinceJavaLibrary {
		if got[key] != want {
			t.Errorf("%s: the listed difference is %q, found is %q", key, want, got[key])
		}
	}
	maps.DeleteFunc(got, func(key, _ string) bool { return sinceJavaLibrary[key] != "" })
	report(t, got)

	key := facts{}
	for _, file := range compile(t, resolver, []string{"cloudstate/entity_key.proto"}) {
		key.describe(t, file)
	}
	if got := key["extension cloudstate.entity_key"]; got != entityKeyOfJavaLibrary {
		t.Errorf("the library's entity key is %q, want %q", got, entityKeyOfJavaLibrary)
	}
}
