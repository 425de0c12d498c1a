package payload

import (
	"encoding/json"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// JSON is implemented by Go types that are stored as JSON instead of protobuf (SPEC SER-04), with encoding/json.
type JSON interface {
	// JSONType names the type in the type URL json.cloudstate.io/<name>. Stored data carries the name: it must be
	// constant, and outlives a renaming of the Go type.
	JSONType() string
}

// encodeJSON writes the text as field 1 of a message, which is how JSON travels (SPEC SER-04).
func encodeJSON(value JSON) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), text), nil
}

// decodeJSON reads the text in field 1; a missing field is the default value (SPEC SER-07).
func decodeJSON(data []byte, into any) error {
	field, err := lastField(data, protowire.BytesType)
	if err != nil || field == nil {
		return err
	}
	text, _ := protowire.ConsumeBytes(field)
	if !utf8.Valid(text) {
		return errUTF8
	}
	return json.Unmarshal(text, into)
}
