package discovery

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The options that Cloudstate reads, by number: user functions declare them in files and under names of their own (DISC-18).
const (
	optionEntityKey       protowire.Number = 1080  // bool, on fields
	optionLegacyEntityKey protowire.Number = 50002 // bool, on fields
	optionEventing        protowire.Number = 1081  // message, on methods
)

// newKeyExtractor prepares the extractor for a message. It reports what is wrong with the message's key fields, under the
// name of the method that needs them, and then returns nil.
func newKeyExtractor(method string, md protoreflect.MessageDescriptor, found *findings) *KeyExtractor {
	k := &KeyExtractor{message: string(md.FullName())}
	faulty := false
	keys := 0
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if !boolOption(fd.Options(), optionEntityKey) && !boolOption(fd.Options(), optionLegacyEntityKey) {
			continue
		}
		keys++
		if fault := keyFault(fd); fault != "" {
			faulty = true
			found.problem("SERV-46", "Mark a string, integer, bool, enum or bytes field that holds one value instead.",
				"Field %s of %s, the input of rpc %s, cannot be an entity key: it is %s.",
				fd.Name(), shown(k.message), shown(method), fault)
			continue
		}
		if keys <= maxKeyFields {
			k.fields = append(k.fields, newKeyField(fd))
		}
	}
	switch {
	case keys == 0:
		found.problem("SERV-17", "Mark the field that names the instance with [(cloudstate.entity_key) = true]; it must be a field of this message itself.",
			"No field of %s, the input of rpc %s, is marked as entity key.", shown(k.message), shown(method))
		return nil
	case keys > maxKeyFields:
		found.problem("SERV-14", "Mark fewer fields, or put their texts into one.",
			"%d fields of %s, the input of rpc %s, are marked as entity key; at most %d are supported.", keys, shown(k.message), shown(method), maxKeyFields)
		return nil
	case faulty:
		return nil
	}
	return k
}

// keyFault says why a field cannot be an entity key, empty when it can (SERV-46). A member of a oneof can: absent while another
// member is set, it has its default value, like any absent field.
func keyFault(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return "a map"
	case fd.IsList():
		return "repeated"
	}
	switch fd.Kind() {
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return fmt.Sprintf("a %s, which has several texts for one value", fd.Kind())
	case protoreflect.GroupKind:
		return "a group"
	case protoreflect.MessageKind:
		return "a message"
	default:
		return ""
	}
}

// boolOption reads a bool extension from options that were parsed with no extension known, so that every one of them is still
// on the wire form, whatever file declares it.
func boolOption(options protoreflect.ProtoMessage, number protowire.Number) bool {
	set := false
	eachUnknown(options, func(num protowire.Number, typ protowire.Type, value []byte) {
		if num == number && typ == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(value)
			set = v != 0
		}
	})
	return set
}

// hasOption tells whether an extension is present at all.
func hasOption(options protoreflect.ProtoMessage, number protowire.Number) bool {
	present := false
	eachUnknown(options, func(num protowire.Number, _ protowire.Type, _ []byte) {
		present = present || num == number
	})
	return present
}

func eachUnknown(options protoreflect.ProtoMessage, visit func(protowire.Number, protowire.Type, []byte)) {
	for raw := options.ProtoReflect().GetUnknown(); len(raw) > 0; {
		num, typ, tag := protowire.ConsumeTag(raw)
		if tag < 0 {
			return
		}
		size := protowire.ConsumeFieldValue(num, typ, raw[tag:])
		if size < 0 {
			return
		}
		visit(num, typ, raw[tag:tag+size])
		raw = raw[tag+size:]
	}
}
