package cassandra

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// The world is three replicas of one entity's rows and the owners that come and go. Every
// request to every replica is a message of its own, which arrives when chance wants it to,
// maybe twice, maybe after its sender is long dead; owners are paused between any two
// of their steps. It repairs no data when it reads: the rules must do without. Of leases, see world_lease_test.go.

// rules are broken on purpose, one at a time, to see that the world would notice.
type rules struct {
	noCopy       bool // an owner writes on top of whatever it read, without adopting it
	noFloor      bool // replay takes the highest generation at each place, whatever came before
	clocks       bool // replay takes what has the latest time stamp of its writer's clock
	noConfirm    bool // an acknowledgement by the replicas is enough
	earlyConfirm bool // the lease is asked for before the write is acknowledged
	sameAttempt  bool // an unknown outcome does not raise the attempt
	staleCopy    bool // an owner adopts, and cleans up below, what a newer one wrote
	noGlance     bool // a claim is content with a SERIAL read of the lease that ended
	noRepair     bool // reads of a lease are not repaired, and so may go back in time
	reusedParts  bool // a head that is refused behind its parts does not raise the attempt
}

type message struct {
	replica int
	rows    []row
	bucket  uint64
	clock   int
	older   *generation // delete what is below it at the place of rows[0]
	ends    *lease      // instead of rows: the end of this lease
}

type stored struct {
	row
	bucket uint64
	clock  int
}

type rowKey struct {
	place
	gen  generation
	part uint64
}

type replica struct {
	rows    map[rowKey]stored
	deleted map[place]generation // what is below it there is gone
}

func newReplica() *replica {
	return &replica{rows: map[rowKey]stored{}, deleted: map[place]generation{}}
}

func (r *replica) put(s stored) {
	k := rowKey{place{s.bucket, s.first}, s.gen, s.part}
	if old, there := r.rows[k]; !there || bytes.Compare(old.data, s.data) < 0 { // equal time stamps: the larger value
		r.rows[k] = s
	}
}

func (r *replica) remove(at place, below generation) {
	if r.deleted[at].before(below) {
		r.deleted[at] = below
	}
}

// sweep lets deletions take effect on rows that came before and after them.
func (r *replica) sweep() {
	for k := range r.rows {
		if k.gen.before(r.deleted[k.place]) {
			delete(r.rows, k)
		}
	}
}

func (r *replica) apply(m message) {
	for _, w := range m.rows {
		r.put(stored{w, m.bucket, m.clock})
	}
	if m.older != nil {
		r.remove(place{m.bucket, m.rows[0].first}, *m.older)
	}
	r.sweep()
}

// phase is where an owner stands.
type phase int

const (
	idle phase = iota
	parts
	heads
	confirming
)

type worldOwner struct {
	token   journal.Token
	attempt uint64
	clock   int
	owns    bool // tail is its own and acknowledged
	tail    record
	seen    []string // what the journal says up to tail

	phase    phase
	rec      record
	body     []byte
	text     []string // what the journal will say with rec
	lease    lease
	asking   glance // of the confirmation
	copying  *generation
	acks     map[int]bool
	inFlight []int // messages of this phase: ids
	earlyOK  bool
}

type world struct {
	rules    rules
	choose   func(what string, n int) int
	id       journal.EntityID
	replicas [3]*replica
	pending  map[int]message
	nextID   int
	owners   []*worldOwner
	newest   journal.Token
	claiming glance // of who wants to be the next owner
	appends  int
	// anchors are what reads took for records in the journal for good.
	anchors []anchor
	// fixed is what was acknowledged or adopted: the model. since is who fixed it.
	fixed []string
	since journal.Token
}

func newWorld(r rules, choose func(string, int) int) *world {
	w := &world{rules: r, choose: choose, id: journal.EntityID{Namespace: "n", Key: "k"}, pending: map[int]message{}}
	for i := range w.replicas {
		w.replicas[i] = newReplica()
	}
	w.claim()
	return w
}

// rowsOf merges what some replicas have, in the table's order.
func (w *world) rowsOf(replicas ...int) []stored {
	merged := newReplica()
	for _, i := range replicas {
		for _, s := range w.replicas[i].rows {
			merged.put(s)
		}
		for at, below := range w.replicas[i].deleted {
			merged.remove(at, below)
		}
	}
	merged.sweep()
	list := make([]stored, 0, len(merged.rows))
	for _, s := range merged.rows {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b stored) int {
		return cmp.Or(cmp.Compare(a.bucket, b.bucket), cmp.Compare(a.first, b.first), b.gen.compare(a.gen), cmp.Compare(a.part, b.part))
	})
	return list
}

// replay is the rule written a second time, in the plainest way, with the mutations.
func (w *world) replay(rows []stored) (tail record, texts []string) {
	next, floor := place{}, generation{}
	for {
		var best *record
		var body []byte
		clock := 0
		for _, s := range rows {
			if (place{s.bucket, s.first}) != next || s.part != 0 || s.gen.before(floor) && !w.rules.noFloor {
				continue
			}
			rec, err := openRecord(w.id, next, s.gen, s.head)
			if err != nil {
				panic(err) // the test wrote it
			}
			data := slices.Clone(s.data)
			for _, p := range rows {
				if p.bucket == s.bucket && p.first == s.first && p.gen == s.gen && p.part > 0 {
					data = append(data, p.data...)
				}
			}
			if rec.head.check(data) != nil {
				continue
			}
			if best == nil || w.rules.clocks && s.clock > clock || !w.rules.clocks && best.gen.before(rec.gen) {
				best, body, clock = &rec, data, s.clock
			}
		}
		if best == nil && next == (place{}) && w.rules.noCopy {
			best = &record{} // nobody writes a root
		}
		if best == nil {
			return tail, texts
		}
		tail, next, floor = *best, best.next(), best.gen
		if best.events > 0 {
			entries, err := decodeEntries(body, best.events)
			if err != nil {
				panic(err) // its checksum was right
			}
			for _, e := range entries {
				texts = append(texts, string(e.Payload))
			}
		}
	}
}

// machine runs the machine over the same rows.
func (w *world) machine(rows []stored) (record, []string, error) {
	c, texts, err := w.machineFrom(anchor{}, rows)
	return c.tail, texts, err
}

// machineFrom runs the machine from a on.
func (w *world) machineFrom(a anchor, rows []stored) (*chain, []string, error) {
	c := newChain(w.id, a, true)
	var texts []string
	i := slices.IndexFunc(rows, func(s stored) bool { return s.bucket == a.bucket && s.first >= a.first })
	if i < 0 {
		i = len(rows)
	}
	for bucket := a.bucket; ; bucket++ {
		for ; i < len(rows) && rows[i].bucket == bucket; i++ {
			whole, err := c.add(bucket, rows[i].row)
			if err != nil {
				return c, nil, err
			}
			if whole && c.tail.events > 0 {
				entries, err := decodeEntries(c.body, c.tail.events)
				if err != nil {
					return c, nil, err
				}
				for _, e := range entries {
					texts = append(texts, string(e.Payload))
				}
			}
		}
		goOn, err := c.endBucket(bucket)
		if err == nil && !goOn && i < len(rows) && rows[i].bucket == c.beyond() {
			err = c.found(rows[i].first)
		}
		if err != nil || !goOn {
			return c, texts, err
		}
	}
}

// quorum picks two replicas.
func (w *world) quorum() []int {
	without := w.choose("replica not asked", 3)
	return slices.DeleteFunc([]int{0, 1, 2}, func(i int) bool { return i == without })
}

func (w *world) claim() {
	w.newest++
	o := &worldOwner{token: w.newest, attempt: 1, clock: w.choose("clock", 100)}
	w.owners = append(w.owners, o)
}

// send gives rows to all replicas, each in its own time.
func (w *world) send(o *worldOwner, bucket uint64, rows []row, older *generation) {
	o.acks, o.inFlight = map[int]bool{}, nil
	for i := range w.replicas {
		w.pending[w.nextID] = message{replica: i, rows: rows, bucket: bucket, clock: o.clock, older: older}
		o.inFlight = append(o.inFlight, w.nextID)
		w.nextID++
	}
}

// deliver lets one message arrive; it may arrive again.
func (w *world) deliver(id int, again bool) {
	m := w.pending[id]
	if m.ends != nil {
		m.ends.ended[m.replica] = true
	} else {
		w.replicas[m.replica].apply(m)
	}
	if !again {
		delete(w.pending, id)
	}
	for _, o := range w.owners {
		if slices.Contains(o.inFlight, id) {
			o.acks[m.replica] = true
		}
	}
}

// start begins an adoption or an append of o.
func (w *world) start(o *worldOwner) {
	gen := generation{o.token, o.attempt}
	if !o.owns {
		tail, seen := w.replay(w.rowsOf(w.quorum()...))
		o.tail, o.seen = tail, seen
		if w.rules.noCopy {
			o.owns = true
			return
		}
		if tail.gen == gen {
			o.owns = true
			return
		}
		if gen.before(tail.gen) && !w.rules.staleCopy {
			return // somebody newer is there
		}
		o.rec, o.text = tail.copyFor(gen), seen
		if tail.events == 0 {
			o.rec.origin = gen
		}
		o.copying = &tail.gen
		o.body = nil
		if tail.events > 0 { // its texts are the last of all
			o.body = encodeEntries(payloads(seen[len(seen)-int(tail.events):]))
		}
	} else {
		n := 1 + w.choose("events", 2)
		events := make([]string, n)
		for i := range events {
			w.appends++
			events[i] = fmt.Sprintf("event %d of owner %d.%d", w.appends, o.token, o.attempt)
		}
		if !w.rules.noCopy {
			gen = o.tail.gen
		}
		o.body = encodeEntries(payloads(events))
		o.rec = o.tail.follow(gen, n, len(o.body), bucketLimits{records: 2, bytes: 1 << 20})
		o.text = append(slices.Clone(o.seen), events...)
		o.copying = nil
	}
	o.rec.seal(w.id, o.body)
	if len(o.body) > 1 && w.choose("parts", 2) == 0 { // cut it in two, small as it is
		o.rec.head.parts = 2
	}
	o.phase = heads
	if o.rec.head.parts == 2 {
		o.phase = parts
	}
	w.write(o)
}

func payloads(texts []string) []journal.Entry {
	list := make([]journal.Entry, len(texts))
	for i, t := range texts {
		list[i].Payload = []byte(t)
	}
	return list
}

// write sends what o's phase is about.
func (w *world) write(o *worldOwner) {
	r := row{first: o.rec.first, gen: o.rec.gen}
	cut := len(o.body)
	if o.rec.head.parts == 2 {
		cut /= 2
	}
	if o.phase == parts {
		r.part, r.data = 1, o.body[cut:]
		w.send(o, o.rec.bucket, []row{r}, nil)
		return
	}
	r.data, r.head = o.body[:cut], o.rec.head.encode(o.rec.spot(w.id))
	o.earlyOK = o.token == w.newest
	w.send(o, o.rec.bucket, []row{r}, o.copying)
}

// advance takes o's next step, and says what it violates.
func (w *world) advance(o *worldOwner) error {
	switch o.phase {
	case idle:
		w.start(o)
	case parts, heads:
		if len(o.acks) < 2 {
			if w.choose("time-out", 4) == 0 {
				w.giveUp(o)
			}
			return nil
		}
		if o.phase++; o.phase == heads {
			if w.choose("refused", 6) == 0 {
				w.refuse(o)
				return nil
			}
			w.write(o)
		}
		o.asking = glance{}
	case confirming:
		if !w.ask(&o.asking, &o.lease) {
			return nil
		}
		if o.asking.ended && !w.rules.noConfirm && !(w.rules.earlyConfirm && o.earlyOK) {
			w.giveUp(o)
			return nil
		}
		if !slices.Equal(w.fixed, o.text[:min(len(w.fixed), len(o.text))]) {
			return fmt.Errorf("owner %d has %q, but fixed is %q", o.token, o.text, w.fixed)
		}
		w.fixed, w.since = o.text, max(w.since, o.token)
		o.owns, o.tail, o.seen, o.phase = true, o.rec, o.text, idle
	}
	return nil
}

// refuse is the answer that no replica will be asked to write the head of a record whose other part is there.
func (w *world) refuse(o *worldOwner) {
	if !w.rules.reusedParts {
		w.giveUp(o)
		return
	}
	o.phase, o.inFlight = idle, nil
}

func (w *world) giveUp(o *worldOwner) {
	if !w.rules.sameAttempt {
		o.attempt++
	}
	o.owns, o.phase, o.inFlight = false, idle, nil
}

// step does one thing that chance wants.
func (w *world) step() error {
	ids := make([]int, 0, len(w.pending))
	for id := range w.pending {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	switch what := w.choose("step", 12); {
	case what < 6 && len(ids) > 0:
		// Mostly recent ones; the others are the late ones.
		i := len(ids) - 1 - w.choose("message", min(len(ids), 4))
		if w.choose("late", 6) == 0 {
			i = w.choose("any message", len(ids))
		}
		w.deliver(ids[i], w.choose("again", 8) == 0)
	case what >= 10 && len(w.owners) < 6:
		w.takeOver()
	default:
		// The newest owner more often than those that do not know yet that they are not.
		o := w.owners[len(w.owners)-1]
		if w.choose("stale", 4) == 0 {
			o = w.owners[w.choose("owner", len(w.owners))]
		}
		if err := w.advance(o); err != nil {
			return err
		}
	}
	return w.check()
}

// check holds what any quorum says against what is fixed.
func (w *world) check() error {
	for without := range 3 {
		rows := w.rowsOf(slices.DeleteFunc([]int{0, 1, 2}, func(i int) bool { return i == without })...)
		tail, texts := w.replay(rows)
		if len(texts) < len(w.fixed) || !slices.Equal(texts[:len(w.fixed)], w.fixed) {
			return fmt.Errorf("without replica %d the journal says\n%s\nbut fixed is\n%s", without, strings.Join(texts, "\n"), strings.Join(w.fixed, "\n"))
		}
		if len(texts) > len(w.fixed) && tail.gen.token < w.since {
			return fmt.Errorf("behind what owner %d fixed, generation %v wrote %q", w.since, tail.gen, texts[len(w.fixed):])
		}
		if w.rules != (rules{}) {
			continue
		}
		c, mtexts, err := w.machineFrom(anchor{}, rows)
		if err != nil {
			return fmt.Errorf("the machine cries damage: %w", err)
		}
		if !slices.Equal(mtexts, texts) || c.tail.place != tail.place || c.tail.gen != tail.gen {
			return fmt.Errorf("the machine says %q, the plain rule %q", mtexts, texts)
		}
		if !slices.Contains(w.anchors, c.stable) {
			w.anchors = append(w.anchors, c.stable)
		}
		for _, a := range w.anchors {
			c, rest, err := w.machineFrom(a, rows)
			if err != nil {
				return fmt.Errorf("from %+v on the machine cries damage: %w", a, err)
			}
			if len(rest) > len(texts) || !slices.Equal(rest, texts[len(texts)-len(rest):]) || c.tail.place != tail.place || c.tail.gen != tail.gen {
				return fmt.Errorf("from %+v on the machine says %q, the plain rule %q", a, rest, texts)
			}
		}
	}
	return nil
}
