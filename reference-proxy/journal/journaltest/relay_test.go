package journaltest_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal/journaltest"
)

// shouter is a server that answers each line in capitals, and tells what arrived.
func shouter(t *testing.T) (addr string, arrived <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			for scan := bufio.NewScanner(c); scan.Scan(); {
				lines <- scan.Text()
				fmt.Fprintln(c, strings.ToUpper(scan.Text()))
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String(), lines
}

// dial connects to addr for one test, which no silence can hold up for long.
func dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// TestRelay: what is held back arrives late and is answered; a lost answer ends its
// connection; and a new one works.
func TestRelay(t *testing.T) {
	addr, arrived := shouter(t)
	r := journaltest.NewRelay(t, addr)
	c, in := dial(t, r.Addr())
	answer := func(want string) {
		t.Helper()
		if line, err := in.ReadString('\n'); line != want+"\n" {
			t.Fatalf("answer %q, %v; want %q", line, err, want)
		}
	}
	send := func(line string) {
		t.Helper()
		if _, err := fmt.Fprintln(c, line); err != nil {
			t.Fatal(err)
		}
	}
	send("one")
	answer("ONE")
	if line := <-arrived; line != "one" {
		t.Fatal(line)
	}

	met := r.Hold()
	select {
	case <-met:
		t.Fatal("nothing was sent")
	default:
	}
	send("two")
	<-met
	if len(arrived) > 0 {
		t.Fatalf("%q arrived though it was held back", <-arrived)
	}
	r.Heal()
	answer("TWO")
	if line := <-arrived; line != "two" {
		t.Fatal(line)
	}

	met = r.Mute()
	send("three")
	<-met
	if line := <-arrived; line != "three" {
		t.Fatal(line)
	}
	r.Heal()
	if line, err := in.ReadString('\n'); err == nil {
		t.Fatalf("the answer came: %q", line)
	}
	r.Heal() // again: nothing

	c, in = dial(t, r.Addr())
	send("four")
	answer("FOUR")
}
