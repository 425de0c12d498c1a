package discovery

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// maxEntities bounds the entities of one answer.
const maxEntities = 1000

// Validate checks a user function's answer to discover against everything that this proxy needs to serve it (DISC-08 to DISC-18,
// DISC-33, DISC-37 to DISC-44, DISC-51 to DISC-57). It returns the function, or all the problems that it found (never
// none), and never panics, whatever the answer holds. It keeps no reference to spec.
func Validate(spec *cloudstate.EntitySpec, opt Options) (*Function, []Problem) {
	found := new(findings)
	legacy, compatible := checkVersion(spec.GetServiceInfo(), opt, found)
	if !compatible {
		// Nothing else of the answer can be judged by the rules of a version that it does not keep.
		return nil, found.result()
	}
	files := buildFiles(spec.GetProto(), found)
	entities := spec.GetEntities()
	switch {
	case len(entities) == 0:
		found.problem("DISC-12", "List in EntitySpec.entities every service that the proxy shall serve.", "No entities were reported by the discover call!")
	case len(entities) > maxEntities:
		found.problem("DISC-12", "Split the user function.", "%d entities were reported; at most %d are supported.", len(entities), maxEntities)
		return nil, found.result()
	}
	c := &checker{opt: opt, legacy: legacy, files: files, found: found, keys: make(map[messageName]*KeyExtractor)}
	services := c.services(entities)
	if found.bad() {
		return nil, found.result()
	}
	f := &Function{
		Info:     &cloudstate.ServiceInfo{},
		Legacy:   legacy,
		Files:    files.registry,
		FileSet:  files.set,
		Services: services,
		Warnings: found.warnings,
		Digest:   digest(spec, files.set),
	}
	if info := spec.GetServiceInfo(); info != nil {
		f.Info = proto.CloneOf(info)
	}
	f.index()
	return f, nil
}

// checkVersion applies the version rule (DISC-08 to DISC-11).
func checkVersion(info *cloudstate.ServiceInfo, opt Options, found *findings) (legacy, compatible bool) {
	major, minor := info.GetProtocolMajorVersion(), info.GetProtocolMinorVersion()
	legacy = major == 0 && minor == 0
	remedy := fmt.Sprintf("Use a support library that speaks protocol %d.%d.", ProtocolMajor, ProtocolMinor)
	switch {
	case legacy && !opt.StrictVersion:
		found.warn("The user function names no protocol version, so it predates %d.%d: only its event sourced entities can be served. %s", ProtocolMajor, ProtocolMinor, remedy)
		return true, true
	case legacy:
		remedy = fmt.Sprintf("Use a support library that speaks protocol %d.%d, or let the proxy accept legacy ones (strict-version=false).", ProtocolMajor, ProtocolMinor)
	case major == ProtocolMajor && (major > 0 || minor == ProtocolMinor):
		return false, true
	}
	found.problem("DISC-09", remedy, "Incompatible protocol version %d.%d, only %d.%d is supported", major, minor, ProtocolMajor, ProtocolMinor)
	return legacy, false
}

// digest identifies an answer by its content. The order of files and entities, and whether a file that the proxy knows was supplied, do
// not matter.
func digest(spec *cloudstate.EntitySpec, set []*descriptorpb.FileDescriptorProto) [sha256.Size]byte {
	h := sha256.New()
	add := func(part string, m proto.Message) {
		raw := canonical(m)
		fmt.Fprintf(h, "%s %d\n", part, len(raw))
		h.Write(raw)
	}
	files := slices.SortedFunc(slices.Values(set), func(a, b *descriptorpb.FileDescriptorProto) int {
		return strings.Compare(a.GetName(), b.GetName())
	})
	for _, file := range files {
		add("file", file)
	}
	entities := slices.SortedFunc(slices.Values(spec.GetEntities()), func(a, b *cloudstate.Entity) int {
		return strings.Compare(a.GetServiceName(), b.GetServiceName())
	})
	for _, entity := range entities {
		add("entity", entity)
	}
	add("info", spec.GetServiceInfo())
	return [sha256.Size]byte(h.Sum(nil))
}
