package selftest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// postgres is the store of mutants that show what they break when their database is away.
const postgres = "postgres"

const (
	serverPackage = "./fixtures/servers/cmd/testserver"
	// serverPatience bounds the start of a database, and its end.
	serverPatience = 2 * time.Minute
)

// storage is what the proxy of a run stores in: a name, and what the kit and the proxy are told besides.
type storage struct {
	name       string
	flags, env []string
}

// storage returns the storage of a run, which lasts until release is called. A database is one of the run's own, since cases take it away.
func (r *runner) storage(ctx context.Context, store string) (place storage, release func(), err error) {
	if store != postgres {
		return storage{name: store}, func() {}, nil
	}
	dir, err := os.MkdirTemp(r.work, "database-")
	if err != nil {
		return storage{}, nil, fmt.Errorf("making a folder for a database: %w", err)
	}
	said, err := os.Create(filepath.Join(dir, "said"))
	if err != nil {
		return storage{}, nil, fmt.Errorf("what the database says: %w", err)
	}
	defer func() { _ = said.Close() }() // the server has its own
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, r.server, "postgres")
	var complaints bytes.Buffer // to be read when it has ended
	cmd.Stdout, cmd.Stderr = said, &complaints
	// Its way of ending is orderly: it takes the database with it.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = serverPatience
	if err := cmd.Start(); err != nil {
		cancel()
		return storage{}, nil, fmt.Errorf("starting a database: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it ends when it is told to
	}()
	release = func() {
		cancel()
		<-ended
	}
	url, err := firstLine(ctx, said.Name(), ended)
	if err != nil {
		release()
		return storage{}, nil, fmt.Errorf("%w\n%s", err, complaints.Bytes())
	}
	does := func(signal, outcome string) string {
		return fmt.Sprintf("kill -%s %[2]d && until [ \"$(tail -n 1 '%[3]s')\" = %[4]s ]; do kill -0 %[2]d && sleep 0.05 || exit; done", signal, cmd.Process.Pid, said.Name(), outcome)
	}
	return storage{
		name:  store,
		flags: []string{"--store-away", does("USR1", "away"), "--store-back", does("USR2", "back")},
		env:   []string{"CLOUDSTATE_STORE_AUTO_MIGRATE=true", "CLOUDSTATE_LEASE_DURATION=1s", "CLOUDSTATE_POSTGRES_URL=" + url},
	}, release, nil
}

var errDatabase = errors.New("the database has not said how to reach it; `make databases` fetches it")

// firstLine waits until there is one in the file, which a process writes until ended.
func firstLine(ctx context.Context, file string, ended <-chan struct{}) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		text, err := os.ReadFile(file)
		if line, _, whole := strings.Cut(string(text), "\n"); whole || err != nil {
			return line, err
		}
		select {
		case <-ticker.C:
		case <-ended:
			return "", errDatabase
		case <-ctx.Done():
			return "", fmt.Errorf("%w: %w", errDatabase, ctx.Err())
		}
	}
}
