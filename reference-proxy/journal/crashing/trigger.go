package crashing

import (
	"os"
	"sync/atomic"
	"syscall"
)

// Point names a moment of a command's way.
type Point string

// The points.
const (
	BeforePersist  Point = "before-persist"  // events or a state action are about to be given to the store
	AfterPersist   Point = "after-persist"   // they are durable, and nobody knows
	BeforeReply    Point = "before-reply"    // the client's reply is about to be sent
	AfterReply     Point = "after-reply"     // it was handed to the connection
	BeforeSnapshot Point = "before-snapshot" // a snapshot is about to be given to the store
	AfterSnapshot  Point = "after-snapshot"  // the store has taken it
)

// Trigger counts how often its point is passed. It is safe for concurrent use.
type Trigger struct {
	point  Point
	left   atomic.Int64
	finish func()
}

// NewTrigger ends the process when point is passed for the nth time.
func NewTrigger(point Point, n int) *Trigger {
	t := &Trigger{point: point, finish: killed}
	t.left.Store(int64(n))
	return t
}

// Pass is called at a point. It does not return when it is the time.
func (t *Trigger) Pass(at Point) {
	if at == t.point && t.left.Add(-1) == 0 {
		t.finish()
	}
}

// killed ends the process with nothing flushed, closed or said, and waits until that has happened.
func killed() {
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL) // one's own process is there to be killed
	if os.Getpid() == 1 {
		os.Exit(128 + int(syscall.SIGKILL)) //nolint:forbidigo // to end at once is what it is for; the first process of a container is spared its own signals: pid_namespaces(7)
	}
	select {}
}
