package target

import (
	"slices"
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	facts := Facts{"Host": "h", "Match": map[string]string{"url": "u"}}
	got, err := Render(map[string]string{"B": "{{.Host}}:{{.Match.url}}", "A": "plain"}, facts)
	if err != nil || !slices.Equal(got, []string{"A=plain", "B=h:u"}) {
		t.Errorf("%v %v", got, err)
	}
	for _, text := range []string{"{{.Port}}", "{{.Match.nothing}}", "{{"} {
		if _, err := Render(map[string]string{"A": text}, facts); err == nil || !strings.HasPrefix(err.Error(), "A: ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
