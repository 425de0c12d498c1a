package eventsourced

import (
	"testing"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
)

// A member of a oneof that another one replaces is read by nobody, and must be parsed all the same (ES-56); found by the TCK's fuzzer.
func TestReplacedMember(t *testing.T) {
	const failure = "\x12\x02\x08\x01"
	if a, err := (Protocol{}).Answer([]byte("\x0a\x02\x08\x01" + failure)); err != nil || a.Kind != entity.AnswerFailure {
		t.Errorf("a reply, replaced by a failure: %+v, %v", a, err)
	}
	for name, msg := range map[string]string{
		"a reply that is cut off":                     "\x0a\x02\x12\x09" + failure,
		"a reply with a failure in its client action": "\x0a\x08\x12\x06\x0a\x01\x0f\x1a\x01\x10",
		"a client action whose reply is cut off":      "\x0a\x08\x12\x06\x0a\x02\x0a\x09\x1a\x00",
		"a failure in two parts, half a field each":   "\x12\x04\x55\x08\x01\x01\x12\x01\x01",
		"a field number that no field has":            "\x0a\x06\x80\x80\x80\x80\x20\x00",
	} {
		if a, err := (Protocol{}).Answer([]byte(msg)); err == nil {
			t.Errorf("%s is read as %+v", name, a)
		}
	}
}
