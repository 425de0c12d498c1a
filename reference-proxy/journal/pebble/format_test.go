package pebble_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/pebble"
)

// holdDir, in the environment, makes the test binary another process that has the store
// in that directory open until its input ends.
const holdDir = "CLOUDSTATE_TEST_HOLD_DIR"

func holdStore() {
	s, err := pebble.Open(os.Getenv(holdDir), pebble.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stdout, "open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Close(); err != nil {
		panic(err)
	}
}

// refusedToOpen opens dir, which must fail with want, say all of says, and leave the
// directory's files as they were.
func refusedToOpen(t *testing.T, dir string, want error, says ...string) {
	t.Helper()
	before := contents(t, dir)
	s, err := pebble.Open(dir, options(t, nil))
	if err == nil {
		_ = s.Close()
		t.Fatal("the store opened")
	}
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	for _, say := range append(says, dir) {
		if !strings.Contains(err.Error(), say) {
			t.Errorf("the message lacks %q: %v", say, err)
		}
	}
	requireSame(t, before, contents(t, dir))
}

// contents reads every file below dir but locks.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "thesis.txt"), "years of work")
	refusedToOpen(t, dir, journal.ErrFormat, "thesis.txt", "empty directory")
}

func TestDirectoryIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "x")
	if _, err := pebble.Open(path, options(t, nil)); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("opening a file: %v", err)
	}
}

func TestMarker(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want error
		say  string
	}{
		"newer":        {"cloudstate-journal 3 ready\n", journal.ErrFormat, "run a newer proxy"},
		"much newer":   {"cloudstate-journal 17 in a new shape\n", journal.ErrFormat, "run a newer proxy"},
		"foreign":      {"PG_VERSION 15\n", journal.ErrFormat, "FORMAT"},
		"empty":        {"", journal.ErrFormat, "FORMAT"},
		"no version":   {"cloudstate-journal x ready\n", journal.ErrFormat, "backup"},
		"odd state":    {"cloudstate-journal 1 raedy\n", journal.ErrFormat, "backup"},
		"files gone":   {"cloudstate-journal 2 ready\n", journal.ErrCorrupt, "missing"},
		"files of 1":   {"cloudstate-journal 1 ready\n", journal.ErrCorrupt, "missing"},
		"version 0":    {"cloudstate-journal 0 ready\n", journal.ErrFormat, "backup"},
		"without word": {"1 ready\n", journal.ErrFormat, "FORMAT"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "FORMAT"), c.text)
			write(t, filepath.Join(dir, "keep"), "me")
			refusedToOpen(t, dir, c.want, c.say)
		})
	}
}

// TestMarkerGone: a store that lost its marker is not taken for an empty directory.
func TestMarkerGone(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir, options(t, nil)).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "FORMAT")); err != nil {
		t.Fatal(err)
	}
	refusedToOpen(t, dir, journal.ErrFormat, "FORMAT")
}

// settled waits until the store that has dir open has removed the options of the session before, which Pebble does in the
// background.
func settled(t *testing.T, dir string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for {
		old, err := filepath.Glob(filepath.Join(dir, "db", "OPTIONS-*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(old) == 1 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the files do not come to rest: %v", old)
		}
	}
}

func TestInUse(t *testing.T) {
	t.Run("by this process", func(t *testing.T) {
		dir := t.TempDir()
		open(t, dir, options(t, nil))
		settled(t, dir)
		refusedToOpen(t, dir, journal.ErrInUse, "another proxy")
	})
	t.Run("by another process", func(t *testing.T) {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), holdDir+"="+dir)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "open\n" {
			t.Fatalf("%q, %v", line, err)
		}
		settled(t, dir)
		refusedToOpen(t, dir, journal.ErrInUse, "another proxy")
		if err := stdin.Close(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		open(t, dir, options(t, nil))
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
