package driver

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A store that is away is logged once a second, not with each command. Damage is the quarantine's to tell.
func TestStoreTroubleIsLoggedSparingly(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		var log bytes.Buffer
		r.host.log = slog.New(slog.NewTextHandler(&log, nil))
		lines := func() int { return strings.Count(log.String(), "\n") }
		fail := func(err error, times int) {
			r.owner.refuse = err
			for range times {
				<-r.call(t.Context(), "e", "1", nil)
				synctest.Wait()
			}
		}
		fail(errors.New("connection refused"), 5)
		if n := lines(); n != 1 {
			t.Errorf("%d lines at first:\n%s", n, log.String())
		}
		pass(time.Second)
		fail(errors.New("connection refused"), 3)
		if n := lines(); n != 2 || !strings.Contains(log.String(), "left_out=4") {
			t.Errorf("%d lines a second later:\n%s", n, log.String())
		}
	})
}
