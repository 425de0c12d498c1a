package discovery

import (
	"bytes"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Limits on a descriptor set, far above what any real one needs. The size of the answer in bytes is bounded where it is
// received (LIM-01).
const (
	maxFiles = 10_000
	// maxPublicImports bounds the ways in which public imports reach further files: they multiply with every level, so that a
	// set of a few hundred bytes could keep the descriptor library busy for years.
	maxPublicImports = 10_000
	// maxPathShown bounds the import path that a problem shows.
	maxPathShown = 8
)

// fileBuilder turns a descriptor set into descriptors, files in any order, each after its imports.
type fileBuilder struct {
	found    *findings
	supplied map[string]*descriptorpb.FileDescriptorProto
	state    map[string]fileState
	public   map[string]int // ways in which a file's public imports reach further files, itself included
	files    *protoregistry.Files
	set      []*descriptorpb.FileDescriptorProto
}

type fileState uint8

const (
	building fileState = iota + 1
	built
	failed
)

// fileSet is the files of one answer.
type fileSet struct {
	registry *protoregistry.Files
	set      []*descriptorpb.FileDescriptorProto // each after its imports
	broken   map[string]bool                     // services declared in files that cannot be used
}

// buildFiles reads a serialized FileDescriptorSet. What it returns is complete only if nothing was found wrong; the files that
// could be built are there in any case, for further checks. It returns nil when the bytes cannot be read at all.
func buildFiles(serialized []byte, found *findings) *fileSet {
	set := new(descriptorpb.FileDescriptorSet)
	if err := (proto.UnmarshalOptions{Resolver: noExtensions}).Unmarshal(serialized, set); err != nil {
		found.problem("DISC-43", "Set EntitySpec.proto to what protoc --include_imports --descriptor_set_out writes.",
			"EntitySpec.proto, %d bytes, is not a serialized google.protobuf.FileDescriptorSet: %s.", len(serialized), cause(err))
		return nil
	}
	if n := len(set.File); n > maxFiles {
		found.problem("DISC-43", "Leave out files that no entity needs.", "The descriptor set holds %d files; at most %d are supported.", n, maxFiles)
		return nil
	}
	b := &fileBuilder{
		found:    found,
		supplied: make(map[string]*descriptorpb.FileDescriptorProto, len(set.File)),
		state:    make(map[string]fileState),
		public:   make(map[string]int),
		files:    new(protoregistry.Files),
	}
	for _, file := range set.File {
		b.supply(file)
	}
	broken := make(map[string]bool)
	for _, file := range set.File {
		if b.build(file.GetName(), nil) {
			continue
		}
		for _, service := range file.GetService() {
			broken[string(protoreflect.FullName(file.GetPackage()).Append(protoreflect.Name(service.GetName())))] = true
		}
	}
	return &fileSet{registry: b.files, set: b.set, broken: broken}
}

// supply takes a file of the set. The same file twice is one file; libraries that collect the imports of several files send that.
func (b *fileBuilder) supply(file *descriptorpb.FileDescriptorProto) {
	name := file.GetName()
	if name == "" {
		b.found.problem("DISC-43", "Set FileDescriptorProto.name, as protoc does.", "A file of the descriptor set (package %q) has no name.", shown(file.GetPackage()))
		b.state[name] = failed
		return
	}
	if other := b.supplied[name]; other != nil && !sameFile(file, other) {
		b.found.problem("DISC-43", "Supply one of them, or give the files different paths.", "File %s is in the descriptor set twice, with different contents.", shown(name))
		return
	}
	b.supplied[name] = file
}

// build makes the descriptor of a file after those of its imports. via is the way of imports that leads to it. It reports a
// problem once, at the file where it lies.
func (b *fileBuilder) build(name string, via []string) bool {
	if state := b.state[name]; state == built || state == failed {
		return state == built
	}
	file := b.supplied[name]
	if file == nil {
		file = builtins()[name]
	}
	b.state[name] = building
	via = append(via, name)
	complete := b.buildImports(file, via)
	b.state[name] = failed
	if !complete || !b.boundPublicImports(file) {
		return false
	}
	fd, err := protodesc.NewFile(file, b.files)
	if err == nil {
		err = b.files.RegisterFile(fd)
	}
	if err != nil {
		b.found.problem("DISC-43", "Compile the .proto files with protoc and send its output unchanged.", "File %s cannot be used: %s.", shown(name), cause(err))
		return false
	}
	b.state[name] = built
	b.set = append(b.set, file)
	return true
}

// buildImports builds everything that a file imports.
func (b *fileBuilder) buildImports(file *descriptorpb.FileDescriptorProto, via []string) bool {
	complete := true
	for _, name := range file.GetDependency() {
		switch {
		case b.state[name] == building:
			b.found.problem("DISC-17", "Move what both need into a file that imports neither.", "Files import each other in a circle: %s.", importPath(circle(via, name)))
			complete = false
		case b.supplied[name] == nil && builtins()[name] == nil:
			b.found.problem("DISC-41", "Send a self-contained set: protoc --include_imports --descriptor_set_out writes one.",
				"File %s imports %s, which is not in the descriptor set%s.", shown(file.GetName()), shown(name), reachedBy(via))
			complete = false
		default:
			complete = b.build(name, via) && complete
		}
	}
	return complete
}

// boundPublicImports counts the ways along public imports and refuses a file from which there are too many.
func (b *fileBuilder) boundPublicImports(file *descriptorpb.FileDescriptorProto) bool {
	ways := 1
	imports := file.GetDependency()
	for _, i := range file.GetPublicDependency() {
		if i >= 0 && int(i) < len(imports) {
			ways = min(ways+b.public[imports[i]], maxPublicImports+1)
		}
	}
	b.public[file.GetName()] = ways
	if ways > maxPublicImports {
		b.found.problem("DISC-43", "Import the files where they are used.", "The public imports of file %s reach other files in more than %d ways.", shown(file.GetName()), maxPublicImports)
		return false
	}
	return true
}

func sameFile(a, b *descriptorpb.FileDescriptorProto) bool {
	return bytes.Equal(canonical(a), canonical(b))
}

// canonical encodes a message that was decoded from bytes, so that equal messages give equal bytes.
func canonical(m proto.Message) []byte {
	raw, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(m)
	if err != nil {
		return nil
	}
	return raw
}

// circle is the part of the way that leads from a file back to itself.
func circle(via []string, name string) []string {
	return append(slices.Clone(via[max(0, slices.Index(via, name)):]), name)
}

// importPath shows a way of imports; the middle of a long one is left out.
func importPath(way []string) string {
	names := make([]string, 0, maxPathShown)
	for i, name := range way {
		if len(way) > maxPathShown && i == maxPathShown/2 {
			names = append(names, "…")
		}
		if len(way) <= maxPathShown || i < maxPathShown/2 || i > len(way)-maxPathShown/2 {
			names = append(names, shown(name))
		}
	}
	return strings.Join(names, " -> ")
}

// reachedBy tells how a file came to be needed, unless it stands in the set by itself.
func reachedBy(via []string) string {
	if len(via) < 2 {
		return ""
	}
	return " (reached by " + importPath(via) + ")"
}

// cause is an error's text as a problem shows it: one bounded line. The protobuf library varies the spaces in its texts on purpose.
func cause(err error) string {
	text := strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\u00a0", " ")), " ")
	return shown(text)
}
