package discovery

import "testing"

// A problem is read by people: its text and its remedy are two sentences, whether or not the text ends like one.
func TestProblemIsTwoSentences(t *testing.T) {
	for text, want := range map[string]string{
		"Only 0.2 is supported": "Only 0.2 is supported. Mend it. [DISC-09]",
		"It has no key.":        "It has no key. Mend it. [DISC-09]",
		"Nothing was reported!": "Nothing was reported! Mend it. [DISC-09]",
	} {
		if got := (Problem{Code: "DISC-09", Text: text, Remedy: "Mend it."}).String(); got != want {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
}
