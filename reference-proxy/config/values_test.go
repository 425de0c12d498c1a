package config

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSizeNotation(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "512": 512, "64KiB": 64 << 10, "64 KiB": 64 << 10, "4MiB": 4 << 20, "1GiB": 1 << 30, "2TiB": 2 << 40} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d (%v), want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "KiB", "1.5MiB", "1K", "0x10", "-1KiB", "9223372036854775808", "8388608TiB"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q accepted", text)
		}
	}
}

func TestSizeReadsWhatItWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Size(rapid.Int64Min(0).Draw(t, "size"))
		var got Size
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Fatalf("%q is %d (%v), want %d", want, got, err, want)
		}
	})
}

func FuzzSettingsFile(f *testing.F) {
	for _, seed := range []string{"", "http-port: 9000", "store: memory\nfsync: false\n", "a: &a [*a]", "- 1", "? {}", "---\n---\n", "http-port: !!int 9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		values, err := parseFile("proxy.yaml", content)
		if err == nil {
			for name := range values {
				if _, known := settingNamed(name); !known {
					t.Errorf("took the unknown setting %q", name)
				}
			}
		}
	})
}
