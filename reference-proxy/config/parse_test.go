package config

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var program = Program{Name: "cloudstate-proxy", Version: "1.2.3"}

// parse runs Parse with file as the settings file; $FILE in args stands for its path.
func parse(t *testing.T, file string, args, environ []string) (*Config, string, error) {
	t.Helper()
	asked, path, err := invoke(t, file, args, environ)
	if err != nil {
		return nil, path, err
	}
	return asked.Config, path, nil
}

func invoke(t *testing.T, file string, args, environ []string) (*Invocation, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "proxy.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if file != "" {
		args = append([]string{"--config", path}, args...)
	}
	var out bytes.Buffer
	asked, err := Parse(program, args, environ, &out)
	return asked, path, err
}

func TestDefaultsAreWhatParseGivesWithoutInput(t *testing.T) {
	c, _, err := parse(t, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("Parse gave %v\nDefault gives %v", c.LogValue(), Default().LogValue())
	}
	if c.HTTPPort != 9000 || c.Store != StoreEmbedded || !c.Fsync || c.MaxUserFunctionMessageSize != 12<<20 ||
		c.CommandTimeout != time.Minute || c.LogLevel != slog.LevelInfo || c.UserFunctionHost != "127.0.0.1" || c.UserFunctionPort != 8080 {
		t.Errorf("unexpected default among %v", c.LogValue())
	}
}

func TestStrength(t *testing.T) {
	const file = "http-port: 1001\nstore: memory\nfsync: false\n"
	for _, tc := range []struct {
		name, file    string
		args, environ []string
		want          int
	}{
		{name: "default", want: 9000},
		{name: "file over default", file: file, want: 1001},
		{name: "environment over default", environ: []string{"HTTP_PORT=1002"}, want: 1002},
		{name: "environment over file", file: file, environ: []string{"HTTP_PORT=1002"}, want: 1002},
		{name: "empty variable is none", file: file, environ: []string{"HTTP_PORT="}, want: 1001},
		{name: "flag over environment and file", file: file, environ: []string{"HTTP_PORT=1002"}, args: []string{"--http-port=1003"}, want: 1003},
		{name: "flag and value apart", args: []string{"--http-port", "1003"}, want: 1003},
		{name: "wrong variable behind a flag does not matter", environ: []string{"HTTP_PORT=x"}, args: []string{"--http-port=1003"}, want: 1003},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _, err := parse(t, tc.file, tc.args, tc.environ)
			if err != nil {
				t.Fatal(err)
			}
			if c.HTTPPort != tc.want {
				t.Errorf("http-port is %d, want %d", c.HTTPPort, tc.want)
			}
		})
	}
}

func TestEverySettingCanBeSetInEveryPlace(t *testing.T) {
	text := func(s setting) string {
		switch s.field.Type.Kind() {
		case reflect.Bool:
			return map[string]string{"true": "false", "false": "true"}[s.field.Tag.Get("default")]
		case reflect.Float64:
			return "0.5"
		}
		if s.field.Type == reflect.TypeFor[time.Duration]() {
			return "7s"
		}
		if special, ok := map[string]string{"store": "memory", "unsupported-entities": "skip", "log-level": "warn", "log-format": "json", "crash-point": "before-reply:2", "max-forwards": "17", "cassandra-consistency": "local", "cassandra-replication": "5", "cassandra-connections": "22"}[s.name]; ok {
			return special
		}
		if s.field.Type.Kind() == reflect.String {
			return "elsewhere"
		}
		return "2222"
	}
	for _, s := range settings {
		if s.name == "config" || s.name == "cassandra-password" {
			continue // the one is taken from flags first, the other never
		}
		want, err := s.value(text(s))
		if err != nil {
			t.Fatal(err)
		}
		for place, try := range map[string]struct {
			file          string
			args, environ []string
		}{
			"flag":        {args: []string{"--" + s.name + "=" + text(s)}},
			"environment": {environ: []string{s.env + "=" + text(s)}},
			"file":        {file: s.name + ": " + text(s) + "\n"},
		} {
			c, _, err := parse(t, try.file, try.args, try.environ)
			if err != nil {
				t.Errorf("%s by %s: %v", s.name, place, err)
				continue
			}
			if got := reflect.ValueOf(c).Elem().Field(s.index); !got.Equal(want) {
				t.Errorf("%s by %s is %v, want %v", s.name, place, got, want)
			}
		}
	}
}

func TestSwitches(t *testing.T) {
	for args, want := range map[string]bool{"": true, "--fsync": true, "--no-fsync": false, "--fsync=false": false, "--fsync=true": true} {
		c, _, err := parse(t, "", strings.Fields(args), nil)
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		if c.Fsync != want {
			t.Errorf("%q: fsync is %v, want %v", args, c.Fsync, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name, file    string
		args, environ []string
		want          string // $FILE is the settings file
	}{
		{name: "unknown flag", args: []string{"--htp-port=1"}, want: "command line: there is no flag --htp-port: did you mean --http-port?"},
		{name: "unlike any flag", args: []string{"--zzzzzzz"}, want: "command line: there is no flag --zzzzzzz: see --help for all settings"},
		{name: "unknown short flag", args: []string{"-z"}, want: `command line: unknown flag -z, did you mean "-h"?: see --help`},
		{name: "argument", args: []string{"start"}, want: "command line: unexpected argument start, did you mean \"store\"?: see --help"},
		{name: "missing value at the end", args: []string{"--http-port"}, want: "flag --http-port: a value is missing: write it as --http-port=9000"},
		{name: "missing value before a flag", args: []string{"--data-dir", "--fsync"}, want: "flag --data-dir: a value is missing: write it as --data-dir=./cloudstate-data"},
		{name: "number", args: []string{"--http-port=http"}, want: `flag --http-port: "http" is no value for http-port: give a whole number`},
		{name: "number in the environment", environ: []string{"USER_FUNCTION_PORT=tcp://10.0.0.1:80"}, want: `environment variable USER_FUNCTION_PORT: "tcp://10.0.0.1:80" is no value for user-function-port: give a whole number`},
		{name: "number in the file", file: "\nhttp-port: http\n", want: `$FILE:2: "http" is no value for http-port: give a whole number`},
		{name: "range by flag", args: []string{"--http-port=70000"}, want: `flag --http-port: "70000" is no value for http-port: choose from 1 to 65535`},
		{name: "range in the environment", environ: []string{"HTTP_PORT=0"}, want: `environment variable HTTP_PORT: "0" is no value for http-port: choose from 1 to 65535`},
		{name: "range in the file", file: "max-client-message-size: 2GiB", want: `$FILE:1: "2GiB" is no value for max-client-message-size: choose from 1KiB to 1GiB`},
		{name: "range of a time", args: []string{"--command-timeout=-1s"}, want: `flag --command-timeout: "-1s" is no value for command-timeout: choose from 10ms to 24h`},
		{name: "range of a fraction", args: []string{"--discovery-backoff-random-factor=1.5"}, want: `flag --discovery-backoff-random-factor: "1.5" is no value for discovery-backoff-random-factor: choose from 0 to 1`},
		{name: "fraction", args: []string{"--discovery-backoff-random-factor=NaN"}, want: `flag --discovery-backoff-random-factor: "NaN" is no value for discovery-backoff-random-factor: give a number such as 0.2`},
		{name: "time without unit", args: []string{"--command-timeout=5"}, want: `flag --command-timeout: "5" is no value for command-timeout: give a time with its unit (ms, s, m or h), such as 500ms, 30s or 1m30s`},
		{name: "size", args: []string{"--max-client-message-size=4MB"}, want: `flag --max-client-message-size: "4MB" is no value for max-client-message-size: give a whole number of bytes, or one with a unit of KiB, MiB, GiB or TiB, such as 4MiB`},
		{name: "size over 64 bits", args: []string{"--free-space-reserve=9999999999GiB"}, want: `flag --free-space-reserve: "9999999999GiB" is no value for free-space-reserve: give a whole number of bytes, or one with a unit of KiB, MiB, GiB or TiB, such as 4MiB`},
		{name: "negative size", args: []string{"--free-space-reserve=-1"}, want: `flag --free-space-reserve: "-1" is no value for free-space-reserve: give a whole number of bytes, or one with a unit of KiB, MiB, GiB or TiB, such as 4MiB`},
		{name: "choice", args: []string{"--store=disk"}, want: `flag --store: "disk" is no value for store: choose one of embedded, postgres, cassandra, memory, none`},
		{name: "choice of two", environ: []string{"CLOUDSTATE_UNSUPPORTED_ENTITIES=no"}, want: `environment variable CLOUDSTATE_UNSUPPORTED_ENTITIES: "no" is no value for unsupported-entities: choose one of refuse, skip`},
		{name: "level", file: "log-level: verbose", want: `$FILE:1: "verbose" is no value for log-level: choose one of debug, info, warn, error`},
		{name: "level with offset", args: []string{"--log-level=info+2"}, want: `flag --log-level: "info+2" is no value for log-level: choose one of debug, info, warn, error`},
		{name: "format", args: []string{"--log-format=xml"}, want: `flag --log-format: "xml" is no value for log-format: choose one of text, json`},
		{name: "switch", file: "fsync: yes", want: `$FILE:1: "yes" is no value for fsync: write true or false`},
		{name: "switch by flag", args: []string{"--fsync=maybe"}, want: `flag --fsync: "maybe" is no value for fsync: write true or false`},
		{name: "empty text", args: []string{"--http-host="}, want: `flag --http-host: "" is no value for http-host: give a value, or leave the setting out for its default`},
		{name: "pair of back-offs", args: []string{"--discovery-backoff-max=100ms"}, want: "flag --discovery-backoff-max: discovery-backoff-max (100ms) is shorter than discovery-backoff-min (1s): raise the one or lower the other"},
		{name: "same port twice", environ: []string{"MANAGEMENT_PORT=9000"}, want: "environment variable MANAGEMENT_PORT: management-port and http-port are both 9000 on 0.0.0.0: give each its own port, or turn the probes off with management-port 0"},
		{name: "no file", args: []string{"--config=/does/not/exist"}, want: "/does/not/exist: cannot read the settings file (no such file or directory): check the path given by --config or CLOUDSTATE_CONFIG"},
		{name: "no file in the environment", environ: []string{"CLOUDSTATE_CONFIG=/does/not/exist"}, want: "/does/not/exist: cannot read the settings file (no such file or directory): check the path given by --config or CLOUDSTATE_CONFIG"},
		{name: "file names another", file: "config: other.yaml", want: "$FILE:1: a settings file cannot name another one: remove this line"},
		{name: "unknown key", file: "http-port: 1\nhttp_prt: 2\n", want: `$FILE:2: there is no setting "http_prt": did you mean http-port?`},
		{name: "underscores", file: "HTTP_PORT: 2\n", want: `$FILE:1: there is no setting "HTTP_PORT": did you mean http-port?`},
		{name: "key twice", file: "http-port: 1\nstore: none\nhttp-port: 2\n", want: "$FILE:3: http-port is set twice, first at $FILE:1: keep one of them"},
		{name: "list", file: "http-port: [1, 2]", want: "$FILE:1: http-port takes a single value, not a list or a mapping: write it as http-port: 9000"},
		{name: "mapping", file: "store:\n  kind: memory\n", want: "$FILE:2: store takes a single value, not a list or a mapping: write it as store: embedded"},
		{name: "nothing", file: "store:\n", want: "$FILE:1: store has no value: give one, such as store: embedded, or remove the line"},
		{name: "list as file", file: "- http-port\n", want: "$FILE:1: the file is not a mapping: write one setting a line, such as http-port: 9000"},
		{name: "two documents", file: "http-port: 1\n---\nhttp-port: 2\n", want: "$FILE: more than one YAML document: keep all settings in the first one, without a --- line between them"},
		{name: "not YAML", file: "a: b: c\n", want: "$FILE: not YAML: mapping values are not allowed in this context: write one setting a line, such as http-port: 9000"},
		{name: "endless file", file: strings.Repeat("# comment\n", maxFileSize/10+1), want: "$FILE: longer than 1 MiB: is this the settings file?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, path, err := parse(t, tc.file, tc.args, tc.environ)
			if err == nil {
				t.Fatalf("accepted: %v", c.LogValue())
			}
			if own := (*Error)(nil); !errors.As(err, &own) {
				t.Errorf("a %T, want an *Error", err)
			}
			if want := strings.ReplaceAll(tc.want, "$FILE", path); err.Error() != want {
				t.Errorf("error\n %s\nwant\n %s", err, want)
			}
		})
	}
}

func TestEmptyFilesAreFine(t *testing.T) {
	for _, file := range []string{" ", "# nothing set\n", "---\n", "null\n", "{}\n"} {
		if _, _, err := parse(t, file, nil, nil); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestHelpTeaches(t *testing.T) {
	var out bytes.Buffer
	// Help works even where nothing else does.
	if _, err := Parse(program, []string{"--config=/does/not/exist", "--help"}, []string{"HTTP_PORT=x"}, &out); !errors.Is(err, ErrShown) {
		t.Fatalf("error %v, want ErrShown", err)
	}
	help := strings.Join(strings.Fields(out.String()), " ")
	for _, s := range settings {
		for _, part := range []string{"--" + s.name, "--[no-]" + s.name} {
			if strings.Contains(help, part+" ") || strings.Contains(help, part+"=") {
				help += "\x00" + s.name
			}
		}
		if !strings.Contains(help, "\x00"+s.name) {
			t.Errorf("%s is not in the help text", s.name)
		}
		if !strings.Contains(help, "[$"+s.env+"]") {
			t.Errorf("the variable of %s is not in the help text", s.name)
		}
		if d := s.field.Tag.Get("default"); d != "" && !strings.Contains(help, fmt.Sprintf("Default %s. [$%s]", d, s.env)) {
			t.Errorf("the default of %s is not in the help text", s.name)
		}
	}
	for _, g := range groups {
		if !strings.Contains(help, g.title+":") {
			t.Errorf("no heading %q", g.title)
		}
	}
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	if _, err := Parse(program, []string{"--version"}, nil, &out); !errors.Is(err, ErrShown) {
		t.Fatalf("error %v, want ErrShown", err)
	}
	if out.String() != "cloudstate-proxy 1.2.3\n" {
		t.Errorf("printed %q", out.String())
	}
}

func TestSettingsHaveDistinctNamesAndVariablesAndReadableRanges(t *testing.T) {
	seen := make(map[string]string)
	for _, s := range settings {
		for _, key := range []string{s.name, s.env} {
			if other, twice := seen[key]; twice {
				t.Errorf("%s and %s share %s", s.name, other, key)
			}
			seen[key] = s.name
		}
		if err := s.checkRange(reflect.ValueOf(Default()).Elem().Field(s.index)); err != nil {
			t.Errorf("default of %s: %v", s.name, err)
		}
	}
}
