package wire

import (
	"context"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/mem"
)

func TestInboxLosesNothingWhenTheStreamIsOver(t *testing.T) { synctest.Test(t, losesNothing) }

func losesNothing(t *testing.T) {
	over, end := context.WithCancel(context.Background())
	b := newInbox[int]()
	for i := range inboxSize {
		b.put(over, i)
	}
	blocked := make(chan struct{})
	go func() {
		defer close(blocked)
		b.put(over, inboxSize) // no room: waits until the stream is over
		b.put(over, inboxSize+1)
	}()
	synctest.Wait()
	select {
	case <-blocked:
		t.Fatal("a full inbox took more from a live stream")
	default:
	}
	end()
	<-blocked
	for want := range inboxSize + 2 {
		if got, ok := b.take(context.Background()); !ok || got != want {
			t.Fatalf("took %d, %v; want %d", got, ok, want)
		}
	}
	if _, ok := b.take(over); ok {
		t.Fatal("took from an empty inbox")
	}
}

func TestInboxMakesRoom(t *testing.T) {
	b := newInbox[int]()
	const n = 10 * inboxSize
	go func() {
		for i := range n {
			b.put(context.Background(), i)
		}
	}()
	for want := range n {
		if got, ok := b.take(context.Background()); !ok || got != want {
			t.Fatalf("took %d, %v; want %d", got, ok, want)
		}
	}
}

func TestCodecRefusesWhatIsNoFrame(t *testing.T) {
	if _, err := (Codec{}).Marshal("text"); err == nil {
		t.Error("sent a string")
	}
	if err := (Codec{}).Unmarshal(mem.BufferSlice{}, new(string)); err == nil {
		t.Error("received into a string")
	}
}
