package userfunction

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"
)

// log records what a watcher reports.
type eventLog struct{ events []string }

func (l *eventLog) settings(limit uint32) {
	l.events = append(l.events, fmt.Sprintf("limit %d", limit))
}
func (l *eventLog) goAway() { l.events = append(l.events, "goaway") }
func (l *eventLog) notHTTP2(start []byte) {
	l.events = append(l.events, fmt.Sprintf("not HTTP/2 %q", start))
}

// watch feeds data in the pieces that cut ends.
func watch(data []byte, cuts func(left int) int) []string {
	var l eventLog
	w := newWatcher(&l)
	for len(data) > 0 {
		n := cuts(len(data))
		w.feed(data[:n])
		data = data[n:]
	}
	return l.events
}

func whole(left int) int { return left }
func single(int) int     { return 1 }

func TestWatcherSeesLimitsAndGoodbyes(t *testing.T) {
	var b bytes.Buffer
	f := http2.NewFramer(&b, nil)
	check(t, f.WriteSettings())
	check(t, f.WriteSettingsAck())
	check(t, f.WriteData(1, false, bytes.Repeat([]byte{0, 3, 0, 0, 0, 1}, 100)))
	check(t, f.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 256}))
	check(t, f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3}))
	check(t, f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 9}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 10}))
	check(t, f.WriteGoAway(7, http2.ErrCodeNo, []byte("bye")))
	want := []string{"limit 4294967295", "limit 256", "limit 256", "limit 10", "goaway"}
	for name, cuts := range map[string]func(int) int{"whole": whole, "single bytes": single} {
		if got := watch(b.Bytes(), cuts); !slices.Equal(got, want) {
			t.Errorf("%s: saw %q, want %q", name, got, want)
		}
	}
}

func TestWatcherTellsWhatIsNotHTTP2(t *testing.T) {
	got := watch([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), single)
	if want := []string{`not HTTP/2 "HTTP/1.1 "`}; !slices.Equal(got, want) {
		t.Errorf("saw %q, want %q", got, want)
	}
}

// Property: whatever frames come, in whatever pieces, the watcher sees what a full HTTP/2 framer sees.
func TestWatcherAgreesWithFramer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bytes.Buffer
		f := http2.NewFramer(&b, nil)
		_ = f.WriteSettings()
		for range rapid.IntRange(0, 20).Draw(t, "frames") {
			switch rapid.IntRange(0, 6).Draw(t, "kind") {
			case 0:
				_ = f.WriteData(1, false, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data"))
			case 1:
				_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: block(":status", "200")})
			case 2:
				var all []http2.Setting
				for range rapid.IntRange(0, 4).Draw(t, "settings") {
					all = append(all, http2.Setting{ID: http2.SettingID(rapid.IntRange(1, 8).Draw(t, "id")), Val: rapid.Uint32Range(0, 1000).Draw(t, "value")})
				}
				_ = f.WriteSettings(all...)
			case 3:
				_ = f.WriteSettingsAck()
			case 4:
				_ = f.WritePing(false, [8]byte{4})
			case 5:
				_ = f.WriteGoAway(1, http2.ErrCodeNo, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "debug"))
			case 6:
				_ = f.WriteWindowUpdate(0, 6)
			}
		}
		want := framerEvents(b.Bytes())
		got := watch(b.Bytes(), func(left int) int { return rapid.IntRange(1, min(left, 40)).Draw(t, "piece") })
		if !slices.Equal(got, want) {
			t.Fatalf("saw %q, want %q", got, want)
		}
	})
}

// framerEvents is the reference: the events as golang.org/x/net's framer sees them.
func framerEvents(data []byte) []string {
	var l eventLog
	limit := uint32(unlimited)
	f := http2.NewFramer(nil, bytes.NewReader(data))
	for {
		frame, err := f.ReadFrame()
		if bad := new(http2.StreamError); errors.As(err, bad) {
			continue
		}
		if err != nil {
			return l.events
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = frame.ForeachSetting(func(s http2.Setting) error {
					if s.ID == http2.SettingMaxConcurrentStreams {
						limit = s.Val
					}
					return nil
				})
				l.settings(limit)
			}
		case *http2.GoAwayFrame:
			l.goAway()
		}
	}
}

func FuzzWatcher(f *testing.F) {
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), byte(1))
	f.Add([]byte{0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0}, byte(4))
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 7, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 9, 1}, byte(3))
	f.Add([]byte{0, 0, 0, 4, 1, 0, 0, 0, 0}, byte(9))
	f.Fuzz(func(t *testing.T, data []byte, piece byte) {
		once := watch(data, whole)
		for _, event := range once {
			if len(event) > 60 {
				t.Errorf("event of %d bytes", len(event))
			}
		}
		if got := watch(data, func(left int) int { return min(left, int(piece)+1) }); !slices.Equal(got, once) {
			t.Errorf("in pieces of %d saw %q, at once %q", int(piece)+1, got, once)
		}
		// What the framer makes of a sound beginning, the watcher sees too; beyond the first fault only the watcher goes on.
		if want := framerEvents(data); len(want) > len(once) || !slices.Equal(once[:len(want)], want) {
			if len(once) == 0 || once[0][:3] != "not" {
				t.Errorf("saw %q, the framer %q", once, want)
			}
		}
	})
}

func block(fields ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return b.Bytes()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
