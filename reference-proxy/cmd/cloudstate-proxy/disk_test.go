package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stateful-serverless/cloudstate/mockfunction"
	"github.com/stateful-serverless/cloudstate/protocols/gen/example/shoppingcart"
	vecart "github.com/stateful-serverless/cloudstate/protocols/gen/example/valueentity/shoppingcart"
)

const (
	mib = 1 << 20
	// defaultReserve is what the proxy leaves free unless told otherwise (--free-space-reserve).
	defaultReserve = 256 * mib
	// storeDied is the status of a proxy whose embedded store cannot go on (EX_IOERR).
	storeDied = 74
)

// diskTest is a proxy on the embedded store on a disk of its own, under load.
type diskTest struct {
	*testing.T
	disk  *smallDisk
	user  *carts
	start func() *process
	p     *process
	conn  *grpc.ClientConn

	writers []*bulkWriter
	stop    context.CancelFunc
	all     sync.WaitGroup
}

func newDiskTest(t *testing.T, disk *smallDisk, args ...string) *diskTest {
	t.Helper()
	d := &diskTest{T: t, disk: disk, user: &carts{}}
	functionPort := serveFunction(t, mockfunction.New(d.user.config()))
	free := ports(t, 2)
	args = append([]string{"--data-dir", disk.file(strings.ReplaceAll(t.Name(), "/", "_")), "--passivation-timeout", "50ms", "--log-level", "info"}, args...)
	d.start = func() *process {
		return launchProgram(t, os.Getenv(insideNamespace), free[0], free[1], functionPort, args...)
	}
	d.p = d.start()
	d.p.ready()
	d.conn = dial(t, d.p.client)
	return d
}

const diskCarts = 5

// load begins, or goes on.
func (d *diskTest) load() {
	const writers = 8
	for len(d.writers) < writers {
		d.writers = append(d.writers, &bulkWriter{writerLog: writerLog{id: len(d.writers)}, told: map[codes.Code]int{}})
	}
	ctx, stop := context.WithCancel(d.Context())
	d.stop = stop
	for _, w := range d.writers {
		d.all.Go(func() { w.run(ctx, d.conn) })
	}
}

// rest ends the load.
func (d *diskTest) rest() {
	d.stop()
	d.all.Wait()
}

func (d *diskTest) count(c codes.Code) (n int) {
	for _, w := range d.writers {
		w.mu.Lock()
		n += w.told[c]
		w.mu.Unlock()
	}
	return n
}

func (d *diskTest) await(what string, is func() bool) {
	d.Helper()
	await(d.T, what, func() bool {
		if d.p.ended() && !is() {
			d.Fatalf("waiting for %s: the proxy ended with %v; it said:\n%s", what, d.p.cmd.ProcessState, d.p.output)
		}
		return is()
	})
}

// more waits until n further calls were answered with c.
func (d *diskTest) more(c codes.Code, n int) {
	d.Helper()
	before := d.count(c)
	d.await(fmt.Sprintf("%d more calls to be answered %v", n, c), func() bool { return d.count(c) >= before+n })
}

// onlyTold checks what callers were answered since the beginning.
func (d *diskTest) onlyTold(allowed ...codes.Code) {
	d.Helper()
	total := map[codes.Code]int{}
	for _, w := range d.writers {
		for c, n := range w.told {
			total[c] += n
			if !slices.Contains(allowed, c) {
				d.Errorf("writer %d was told %v %d times; the first: %v", w.id, c, n, w.first[c])
			}
		}
	}
	d.Logf("answers: %v", total)
}

// check reads everything and holds it against what was acknowledged. The load must rest.
func (d *diskTest) check() {
	d.Helper()
	logs := make([]*writerLog, len(d.writers))
	acknowledged, blobs := 0, 0
	for i, w := range d.writers {
		logs[i] = &w.writerLog
		for _, ok := range w.outcome {
			if ok {
				acknowledged++
			}
		}
		blobs += len(w.blobs)
	}
	for _, fault := range append(checkLists(d.T, d.conn, logs, diskCarts), checkNumbers(d.T, d.conn, logs)...) {
		d.Error(fault)
	}
	for _, w := range d.writers {
		w.check(d.T, d.conn)
	}
	d.user.mu.Lock()
	defer d.user.mu.Unlock()
	for _, fault := range d.user.faults {
		d.Error(fault)
	}
	d.Logf("read back: %d acknowledged events, %d large values", acknowledged, blobs)
}

// bulkWriter is a writer that fills the disk beside: every step brings a value of its own that stays.
type bulkWriter struct {
	writerLog
	blobs []int // the numbers of those acknowledged

	mu    sync.Mutex
	told  map[codes.Code]int
	first map[codes.Code]error
	steps int
}

const blobBytes = 24 << 10

func (w *bulkWriter) run(ctx context.Context, conn *grpc.ClientConn) {
	random := rand.New(rand.NewPCG(uint64(w.id), uint64(w.steps)))
	client := vecart.NewShoppingCartClient(conn)
	for ctx.Err() == nil {
		event, value := w.step(conn, random.IntN(diskCarts))
		w.tell(event)
		w.tell(value)
		n := w.steps
		w.steps++
		call, cancel := context.WithTimeout(context.Background(), patience)
		_, err := client.AddItem(call, &vecart.AddLineItem{UserId: w.blobID(n), ProductId: w.blob(n), Quantity: 1}, grpc.WaitForReady(true))
		cancel()
		w.tell(err)
		if err == nil {
			w.blobs = append(w.blobs, n)
		}
	}
}

func (w *bulkWriter) tell(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := status.Code(err)
	if w.told[c]++; w.told[c] == 1 {
		if w.first == nil {
			w.first = map[codes.Code]error{}
		}
		w.first[c] = err
	}
}

func (w *bulkWriter) blobID(n int) string { return fmt.Sprintf("blob-%d-%d", w.id, n) }

// blob is text that does not compress.
func (w *bulkWriter) blob(n int) string {
	var seed [32]byte
	copy(seed[:], w.blobID(n))
	b := make([]byte, blobBytes*3/4)
	_, _ = rand.NewChaCha8(seed).Read(b) // it never fails
	return base64.StdEncoding.EncodeToString(b)
}

// check reads some of the values: the first, the last and every tenth.
func (w *bulkWriter) check(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()
	client := vecart.NewShoppingCartClient(conn)
	for i, n := range w.blobs {
		if i%10 != 0 && i != len(w.blobs)-1 {
			continue
		}
		got, err := client.GetCart(t.Context(), &vecart.GetShoppingCart{UserId: w.blobID(n)})
		if err != nil {
			t.Errorf("reading %s: %v", w.blobID(n), err)
		} else if items := got.GetItems(); len(items) != 1 || items[0].GetProductId() != w.blob(n) {
			t.Errorf("%s was acknowledged and is not there", w.blobID(n))
		}
	}
}

// TestFullDisk has the embedded store run out of room, in the real program on a file system of its own. make certify fills the
// disk more often.
func TestFullDisk(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	t.Run("refused in time", testRefusedInTime)
	t.Run("filled by another", testFilledByAnother)
	t.Run("without a reserve", testWithoutReserve)
}

// testRefusedInTime: the load comes upon the reserve. Writes are refused, with RESOURCE_EXHAUSTED and nothing else; reads go on; a
// restart changes nothing; and when room is made, writes go on without one.
func testRefusedInTime(t *testing.T) {
	disk := mountDisk(t, 512*mib)
	disk.fill(defaultReserve + 64*mib)
	d := newDiskTest(t, disk)
	d.load()
	// Meanwhile somebody reads, and is never refused.
	var reads atomic.Int64
	reading, stopReading := context.WithCancel(t.Context())
	defer stopReading()
	var reader sync.WaitGroup
	reader.Go(func() {
		client := shoppingcart.NewShoppingCartClient(d.conn)
		for n := 0; reading.Err() == nil; n++ {
			cart := cartID(n % (2 * diskCarts)) // half of them nobody has ever written to
			if _, err := client.GetCart(t.Context(), &shoppingcart.GetShoppingCart{UserId: cart}); err != nil {
				t.Errorf("reading %s: %v", cart, err)
				return
			}
			reads.Add(1)
		}
	})
	d.more(codes.ResourceExhausted, 500)
	before := reads.Load()
	d.await("reads to go on while writes are refused", func() bool { return reads.Load() > before+50 })
	if left := disk.free(); left < defaultReserve/2 {
		t.Errorf("writes were refused only when %d MiB were left, of a reserve of %d", left/mib, defaultReserve/mib)
	}
	if ready := d.p.probe("/ready"); ready != 200 {
		t.Errorf("/ready says %d, although reads go on", ready)
	}
	d.rest()
	d.check()
	for _, w := range d.writers {
		if text := fmt.Sprint(w.first[codes.ResourceExhausted]); !strings.Contains(text, "full") {
			t.Errorf("writer %d was told %q, which does not say why", w.id, text)
		}
	}

	stopReading()
	reader.Wait()
	if code := d.p.terminate(); code != 0 {
		t.Errorf("stopped on a full disk it ended with %d", code)
	}
	earlier := d.p.output.String()
	d.p = d.start()
	d.p.ready()
	d.load()
	d.more(codes.ResourceExhausted, 100)
	disk.clear()
	d.more(codes.OK, 500)
	d.rest()
	d.check()
	d.onlyTold(codes.OK, codes.ResourceExhausted)
	for _, said := range []string{earlier, d.p.output.String()} {
		if n := strings.Count(said, "writes are refused; free some"); n < 1 || n > 20 {
			t.Errorf("it said %d times that writes are refused:\n%s", n, said)
		}
	}
	if !strings.Contains(d.p.output.String(), "has room again") {
		t.Errorf("it did not say that there is room again:\n%s", d.p.output)
	}
	if code := d.p.terminate(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}

// testFilledByAnother: somebody else takes all that is left, faster than anybody can look. The proxy refuses, or ends; what it
// acknowledged is there.
func testFilledByAnother(t *testing.T) {
	deaths, fills := 0, fromEnv("CLOUDSTATE_DISK_FILLS", 3)
	disk := mountDisk(t, int64(512+16*fills)*mib) // what the callers of each time leave there stays
	d := newDiskTest(t, disk)
	for range fills {
		d.load()
		d.more(codes.OK, 200)
		disk.fill(0)
		select {
		case <-d.p.exited:
			d.cannotStart()
		case <-time.After(500 * time.Millisecond):
		}
		disk.clear()
		// A proxy that met the end of the disk just before there was room again may only now get to its end.
		served := d.count(codes.OK) + 200
		await(t, "the proxy to serve again, or to end", func() bool { return d.p.ended() || d.count(codes.OK) >= served })
		if d.p.ended() {
			deaths++
			d.diedOfFullDisk()
			d.p = d.start()
			d.p.ready()
			d.more(codes.OK, 200)
		}
		d.rest()
		d.check()
		if d.p.ended() {
			t.Fatalf("it died when there was room again: %v\n%s", d.p.cmd.ProcessState, d.p.output)
		}
	}
	d.onlyTold(codes.OK, codes.ResourceExhausted, codes.Unavailable, codes.DeadlineExceeded, codes.Unknown)
	t.Logf("the disk was filled %d times, which the proxy did not survive %d times", fills, deaths)
}

// testWithoutReserve: nobody watches, so the log meets the end of the disk. The proxy ends with a status of its own and says why;
// while there is no room it does not start, and says why; when there is, everything that it acknowledged is there.
func testWithoutReserve(t *testing.T) {
	disk := mountDisk(t, 256*mib)
	disk.fill(48 * mib)
	d := newDiskTest(t, disk, "--free-space-reserve", "0")
	d.load()
	await(t, "the proxy to end", d.p.ended)
	d.diedOfFullDisk()
	disk.takeRest()
	d.cannotStart()
	disk.clear()
	d.p = d.start()
	d.p.ready()
	d.more(codes.OK, 100)
	d.rest()
	d.check()
	if n := d.count(codes.ResourceExhausted); n > 0 {
		t.Errorf("%d writes were refused, although no reserve was asked for", n)
	}
	if code := d.p.terminate(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}

// diedOfFullDisk checks how the proxy ended.
func (d *diskTest) diedOfFullDisk() {
	d.Helper()
	if code := d.p.cmd.ProcessState.ExitCode(); code != storeDied {
		d.Errorf("it ended with %v, want %d; it said:\n%s", d.p.cmd.ProcessState, storeDied, d.p.output)
	}
	for _, say := range []string{"cannot go on", "no space left on device", "what was acknowledged is kept"} {
		if !strings.Contains(d.p.output.String(), say) {
			d.Errorf("its last words lack %q:\n%s", say, d.p.output)
		}
	}
}

// cannotStart starts the proxy on a disk without room.
func (d *diskTest) cannotStart() {
	d.Helper()
	p := d.start()
	select {
	case <-p.exited:
	case <-time.After(patience):
		d.Fatalf("it neither starts nor ends on a full disk; it said:\n%s", p.output)
	}
	if p.cmd.ProcessState.ExitCode() <= 0 {
		d.Errorf("on a full disk it ended with %v", p.cmd.ProcessState)
	}
	for _, say := range []string{"a start takes", "free some space and start again"} {
		if !strings.Contains(p.output.String(), say) {
			d.Errorf("started on a full disk it does not say %q:\n%s", say, p.output)
		}
	}
}
