package value

import "testing"

// A member of a oneof that another one replaces is read by nobody, and must be parsed all the same (VE-46); found by the TCK's fuzzer.
func TestReplacedMember(t *testing.T) {
	for name, msg := range map[string]string{
		"a reply that is cut off, replaced by a failure":                "\x0a\x02\x12\x09\x12\x00",
		"an update that is cut off, replaced by a delete":               "\x0a\x06\x22\x04\x0a\x01\x09\x12\x00",
		"a client action's reply that is cut off, and then a failure's": "\x0a\x08\x12\x06\x0a\x02\x0a\x09\x1a\x00",
	} {
		if a, err := (Protocol{}).Answer([]byte(msg)); err == nil {
			t.Errorf("%s is read as %+v", name, a)
		}
	}
	if _, err := (Protocol{}).Answer([]byte("\x0a\x08\x22\x06\x0a\x02\x0a\x00\x12\x00")); err != nil {
		t.Errorf("an update, replaced by a delete: %v", err)
	}
}
