package crashing

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// endVariable makes the test program pass its point.
const endVariable = "CRASHING_TEST_END"

func TestMain(m *testing.M) {
	if os.Getenv(endVariable) != "" {
		NewTrigger(AfterPersist, 1).Pass(AfterPersist)
	}
	os.Exit(m.Run())
}

// TestTheProcessIsGone: at its point a process ends as by SIGKILL, the first one of a container, which the kernel spares its own signals, too.
func TestTheProcessIsGone(t *testing.T) {
	first := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if os.Geteuid() != 0 { // only in a user namespace of our own may we make others
		first.Cloneflags |= syscall.CLONE_NEWUSER
		first.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		first.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	for _, c := range []struct {
		name string
		own  *syscall.SysProcAttr
		gone func(syscall.WaitStatus) bool
	}{
		{"any", nil, func(s syscall.WaitStatus) bool { return s.Signaled() && s.Signal() == syscall.SIGKILL }},
		{"first of a container", first, func(s syscall.WaitStatus) bool { return s.ExitStatus() == 137 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Env, cmd.SysProcAttr = append(os.Environ(), endVariable+"=1"), c.own
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || ctx.Err() != nil {
				t.Fatalf("it ended with %v, %v", err, ctx.Err())
			}
			if status, ok := exit.Sys().(syscall.WaitStatus); !ok || !c.gone(status) {
				t.Errorf("it ended with %v", exit)
			}
		})
	}
}
