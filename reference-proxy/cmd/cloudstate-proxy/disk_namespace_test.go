package main

import (
	"errors"
	testflag "flag" // the package has a flag of its own
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const (
	// insideNamespace, in the environment, says that the process may mount what it likes.
	insideNamespace = "CLOUDSTATE_TEST_MAY_MOUNT"
	// noMounts, in the environment, gives the tests up that need a file system of their own.
	noMounts = "CLOUDSTATE_TEST_NO_MOUNTS"
)

// inNamespace runs the test again in a process with mounts of its own, which go when it ends, however it ends. In that process
// it returns true. It takes root, or a kernel that lets users have namespaces (the default of most). Where neither is to be had
// the test fails, as what it shows would otherwise go untested without a word, unless CLOUDSTATE_TEST_NO_MOUNTS=1 says that
// this is known.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideNamespace) != "" {
		return true
	}
	if os.Getenv(noMounts) != "" {
		t.Skipf("%s is set: NOT TESTED, since it takes a file system of its own", noMounts)
	}
	program, err := binary() // the process in there would build another, and leave it behind when it is killed
	if err != nil {
		t.Fatal(err)
	}
	which := testflag.Lookup("test.run").Value.String() // it may name a part of the test
	if !strings.Contains(which, "/") {
		which = "^" + t.Name() + "$"
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+which, "-test.v", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), insideNamespace+"="+program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		t.Logf("in a mount namespace:\n%s", out)
	case errors.As(err, &exit):
		t.Errorf("in a mount namespace:\n%s", out)
	default:
		t.Fatalf("a file system of its own cannot be had: %v; run as root, or allow user namespaces "+
			"(sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns), or set %s=1 to leave this out", err, noMounts)
	}
	return false
}

// smallDisk is a file system of its own.
type smallDisk struct {
	t    *testing.T
	path string
}

// mountDisk makes one of size bytes in memory: it is as full as a disk can be.
func mountDisk(t *testing.T, size int64) *smallDisk {
	t.Helper()
	d := &smallDisk{t, t.TempDir()}
	// Mounts must not spread to where we came from.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatalf("%v; set %s=1 to leave this out", err, noMounts)
	}
	if err := syscall.Mount("small", d.path, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatalf("mounting a tmpfs: %v; set %s=1 to leave this out", err, noMounts)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.path, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *smallDisk) file(name string) string { return filepath.Join(d.path, name) }

func (d *smallDisk) free() int64 {
	d.t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.path, &s); err != nil {
		d.t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

// fill is another program that takes all but left bytes.
func (d *smallDisk) fill(left int64) {
	d.t.Helper()
	f, err := os.Create(d.file("somebody-else"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	block := []byte(strings.Repeat("x", 256<<10))
	for d.free() > left {
		n := min(int64(len(block)), d.free()-left)
		if _, err := f.Write(block[:max(n, 1)]); errors.Is(err, syscall.ENOSPC) {
			return // the proxy was faster
		} else if err != nil {
			d.t.Fatal(err)
		}
	}
}

// clear gives back what fill took.
func (d *smallDisk) clear() {
	d.t.Helper()
	if err := os.Remove(d.file("somebody-else")); err != nil {
		d.t.Fatal(err)
	}
}

// takeRest is another program that takes what was left over.
func (d *smallDisk) takeRest() {
	d.t.Helper()
	f, err := os.OpenFile(d.file("somebody-else"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
}
