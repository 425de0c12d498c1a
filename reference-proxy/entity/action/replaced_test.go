package action

import "testing"

// A member of a oneof that another one replaces is read by nobody, and must be parsed all the same (ACT-33); found by the TCK's fuzzer.
func TestReplacedMember(t *testing.T) {
	const reply = "\x12\x02\x0a\x00"
	if out, err := Response([]byte("\x0a\x02\x12\x00" + reply)); err != nil || out.Reply == nil || out.Failure != nil {
		t.Errorf("a failure, replaced by a reply: %+v, %v", out, err)
	}
	for name, member := range map[string]string{
		"cut off":                  "\x0a\x02\x12\x09",
		"of no wire type":          "\x0a\x01\x0f",
		"a number above all there": "\x0a\x06\x80\x80\x80\x80\x20\x00",
	} {
		if out, err := Response([]byte(member + reply)); err == nil {
			t.Errorf("a failure that is %s, replaced by a reply, is read as %+v", name, out)
		}
	}
}
