package testkit

import (
	"encoding/base64"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stateful-serverless/cloudstate/support-go/internal/rpc"
)

// keyEscape is for keys of several fields (SPEC SERV-43).
var keyEscape = strings.NewReplacer(`\`, `\\`, `-`, `\-`)

// entityID is the id that a proxy makes from the key fields of a message (SPEC SERV-13 to SERV-15, SERV-42 to SERV-45), and
// the names of these fields.
func entityID(message proto.Message) (id, fields string) {
	marked := rpc.KeyFields(message.ProtoReflect().Descriptor())
	texts, names := make([]string, len(marked)), make([]string, len(marked))
	for i, field := range marked {
		texts[i], names[i] = keyText(field, message.ProtoReflect().Get(field)), string(field.Name())
		if len(marked) > 1 {
			texts[i] = keyEscape.Replace(texts[i])
		}
	}
	return strings.Join(texts, "-"), strings.Join(names, ", ")
}

func keyText(field protoreflect.FieldDescriptor, value protoreflect.Value) string {
	switch field.Kind() {
	case protoreflect.BytesKind:
		return base64.StdEncoding.EncodeToString(value.Bytes())
	case protoreflect.EnumKind:
		if known := field.Enum().Values().ByNumber(value.Enum()); known != nil {
			return string(known.Name())
		}
		return fmt.Sprint(value.Enum())
	default:
		return fmt.Sprint(value.Interface())
	}
}
