package cloudstate

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// fileSet collects the files that define the services and all that these import, each once and after its imports, so
// that a reader needs neither a second pass nor a file of its own (SPEC DISC-05).
func fileSet(services []Service) (*descriptorpb.FileDescriptorSet, error) {
	set := &descriptorpb.FileDescriptorSet{}
	seen := make(map[string]bool)
	for _, service := range services {
		if err := addFile(set, seen, service.Descriptor().ParentFile()); err != nil {
			return nil, fmt.Errorf("service %s: %w", service.Name(), err)
		}
	}
	return set, nil
}

func addFile(set *descriptorpb.FileDescriptorSet, seen map[string]bool, file protoreflect.FileDescriptor) error {
	if seen[file.Path()] {
		return nil
	}
	seen[file.Path()] = true
	if file.IsPlaceholder() {
		return fmt.Errorf("%w: %s is not linked in: import the package generated from it", ErrDefinition, file.Path())
	}
	imports := file.Imports()
	for i := range imports.Len() {
		if err := addFile(set, seen, imports.Get(i).FileDescriptor); err != nil {
			return fmt.Errorf("%s: %w", file.Path(), err)
		}
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	return nil
}
