package cloudstate

import (
	"strings"

	protocol "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// Metadata travels with commands, replies, forwards and side effects: an ordered list in which a key may occur more
// than once (SPEC META-01). From a gRPC caller it holds the request headers. The zero value is empty and ready to use.
type Metadata []Entry

// Entry is one key with a text or a binary value.
type Entry struct {
	Key   string
	Text  string
	Bytes []byte // the value when not nil; Text is then ignored
}

// Text makes an entry with a text value.
func Text(key, value string) Entry {
	return Entry{Key: key, Text: value}
}

// Binary makes an entry with a binary value, which may be empty.
func Binary(key string, value []byte) Entry {
	return Entry{Key: key, Bytes: append([]byte{}, value...)}
}

// Get returns the first text value for a key, without regard to case (SPEC META-13), and whether there is one.
func (m Metadata) Get(key string) (string, bool) {
	for _, entry := range m {
		if entry.Bytes == nil && strings.EqualFold(entry.Key, key) {
			return entry.Text, true
		}
	}
	return "", false
}

// Values returns all text values for a key, in order, without regard to case.
func (m Metadata) Values(key string) []string {
	var values []string
	for _, entry := range m {
		if entry.Bytes == nil && strings.EqualFold(entry.Key, key) {
			values = append(values, entry.Text)
		}
	}
	return values
}

// GetBytes returns the first binary value for a key, without regard to case, and whether there is one.
func (m Metadata) GetBytes(key string) ([]byte, bool) {
	for _, entry := range m {
		if entry.Bytes != nil && strings.EqualFold(entry.Key, key) {
			return entry.Bytes, true
		}
	}
	return nil, false
}

// Proto gives the protocol's form, nil when there are no entries. Text that is not UTF-8 is mended: it could not be
// sent otherwise.
func (m Metadata) Proto() *protocol.Metadata {
	if len(m) == 0 {
		return nil
	}
	entries := make([]*protocol.MetadataEntry, len(m))
	for i, entry := range m {
		entries[i] = &protocol.MetadataEntry{Key: strings.ToValidUTF8(entry.Key, "\uFFFD")}
		if entry.Bytes != nil {
			entries[i].Value = &protocol.MetadataEntry_BytesValue{BytesValue: entry.Bytes}
		} else {
			entries[i].Value = &protocol.MetadataEntry_StringValue{StringValue: strings.ToValidUTF8(entry.Text, "\uFFFD")}
		}
	}
	return &protocol.Metadata{Entries: entries}
}

// MetadataOf reads the protocol's form. An entry without a value becomes an empty text.
func MetadataOf(metadata *protocol.Metadata) Metadata {
	if len(metadata.GetEntries()) == 0 {
		return nil
	}
	entries := make(Metadata, 0, len(metadata.GetEntries()))
	for _, entry := range metadata.GetEntries() {
		switch value := entry.GetValue().(type) {
		case *protocol.MetadataEntry_BytesValue:
			entries = append(entries, Binary(entry.GetKey(), value.BytesValue))
		default:
			entries = append(entries, Text(entry.GetKey(), entry.GetStringValue()))
		}
	}
	return entries
}
