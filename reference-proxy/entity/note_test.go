package entity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

func keyedCommand(key, payload string) *Command {
	return &Command{Name: "Do", Payload: []byte(payload), Keyed: &Keyed{Key: key}}
}

// what an outcome says, for comparison.
func told(o Outcome) string {
	switch {
	case o.Fault != nil:
		return fmt.Sprintf("fault %d", o.Fault.Class)
	case o.Reply != nil:
		return fmt.Sprintf("reply %q %q %v %s", o.Reply.TypeURL, o.Reply.Payload, o.Reply.Payload == nil, o.Reply.Metadata)
	case o.Forward != nil:
		return "forward " + o.Forward.String()
	}
	return "nothing"
}

// What was remembered is what later tries are told, by whatever number of records beside it; another command with the
// same key is not (IDEM-04, IDEM-05), and side effects are not told again (IDEM-09).
func TestRememberedComesBack(t *testing.T) {
	md := &cloudstate.Metadata{Entries: []*cloudstate.MetadataEntry{{Key: "k", Value: &cloudstate.MetadataEntry_StringValue{StringValue: "v"}}}}
	outcomes := []Outcome{
		{},
		{Reply: &Reply{}},
		{Reply: &Reply{TypeURL: "t", Payload: []byte{}}},
		{Reply: &Reply{Payload: []byte("p"), Metadata: md}},
		{Reply: &Reply{TypeURL: "t", Payload: []byte("p"), Metadata: &cloudstate.Metadata{}}},
		{Forward: &cloudstate.Forward{ServiceName: "s", CommandName: "c", Payload: &anypb.Any{TypeUrl: "t", Value: []byte("v")}, Metadata: md}},
		{Forward: &cloudstate.Forward{}},
	}
	var all []Remembered
	for i, o := range outcomes {
		o.Effects = []*cloudstate.SideEffect{{}}
		all = append(all, *keyedCommand(fmt.Sprint("k", i), "p").remember(o))
	}
	got, err := DecodeNote(EncodeNote(all...))
	if err != nil || len(got) != len(outcomes) {
		t.Fatalf("%d records, %v", len(got), err)
	}
	for i, o := range outcomes {
		again, err := got[i].Answers(keyedCommand(got[i].Key, "p"))
		if err != nil || told(again) != told(o) || len(again.Effects) > 0 || again.Failure != nil {
			t.Errorf("came back as %s (%v), want %s", told(again), err, told(o))
		}
		for _, other := range []*Command{keyedCommand("k", "q"), {Name: "D", Payload: []byte("op"), Keyed: &Keyed{}}, {Name: "Dop", Payload: nil, Keyed: &Keyed{}}} {
			if again, err := got[i].Answers(other); err != nil || again.Fault == nil || again.Fault.Class != FaultKeyReused {
				t.Errorf("another command was told %s, %v", told(again), err)
			}
		}
	}
}

// IDEM-10: of a long answer the key is remembered all the same.
func TestLongAnswersAreNotKept(t *testing.T) {
	for size, lost := range map[int]bool{MaxAnswerBytes - 100: false, MaxAnswerBytes: true} {
		r := keyedCommand("k", "p").remember(Outcome{Reply: &Reply{Payload: make([]byte, size)}})
		note := EncodeNote(*r)
		got, err := DecodeNote(note)
		if err != nil {
			t.Fatal(err)
		}
		o, err := got[0].Answers(keyedCommand("k", "p"))
		if err != nil || (o.Fault != nil && o.Fault.Class == FaultAnswerLost) != lost || len(note) > MaxAnswerBytes+200 {
			t.Errorf("%d bytes: told %.40s, %v; the note has %d", size, told(o), err, len(note))
		}
	}
}

// A note that is stored stays readable: this one was written by the first version.
func TestFormatOfNotes(t *testing.T) {
	r := keyedCommand("key-1", "payload").remember(Outcome{Reply: &Reply{TypeURL: "a/b", Payload: []byte("ok")}})
	r.Version = 300
	got := hex.EncodeToString(EncodeNote(*r))
	const want = "010a3b0a056b65792d31122046b93794aa3bafe46a118a9fcb244b03d636dabb16a105f4b5aa75cba397110318ac02220d0a0b0a090a03612f6212026f6b"
	if got != want {
		t.Errorf("the note is now\n%s, it was\n%s", got, want)
	}
}

func TestDamagedNotes(t *testing.T) {
	whole := EncodeNote(*keyedCommand("k", "p").remember(Outcome{}))
	short := bytes.Clone(whole)
	short[2]-- // a record that ends early
	for name, note := range map[string][]byte{
		"of a newer version": append([]byte{2}, whole[1:]...), "cut": whole[:len(whole)-1], "another length": short[:len(short)-1],
		"without a key": EncodeNote(Remembered{}), "of an endless key": EncodeNote(Remembered{Key: strings.Repeat("k", MaxKeyBytes+1)}),
		"a short fingerprint": append([]byte{1}, AppendMessage(nil, 1, AppendMessage(AppendString(nil, 1, "k"), 2, []byte("f")))...),
	} {
		if got, err := DecodeNote(note); !errors.Is(err, ErrNote) {
			t.Errorf("a note %s is read as %v, %v", name, got, err)
		}
	}
	if got, err := Recall(append([]byte{2}, whole[1:]...), "k"); !errors.Is(err, ErrNote) || got != nil {
		t.Errorf("recalled %v, %v", got, err)
	}
	broken := Remembered{Key: "k", answer: []byte{0xff}}
	broken.Fingerprint = keyedCommand("k", "p").fingerprint()
	if o, err := broken.Answers(keyedCommand("k", "p")); !errors.Is(err, ErrNote) {
		t.Errorf("a broken answer is told as %s, %v", told(o), err)
	}
}

// FuzzNote: whatever is stored, reading it ends, and what is read is written and read the same.
func FuzzNote(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1})
	f.Add(EncodeNote(*keyedCommand("k", "p").remember(Outcome{}), *keyedCommand("l", "").remember(Outcome{Reply: &Reply{Payload: []byte("x")}})))
	f.Add(EncodeNote(*keyedCommand("k", "p").remember(Outcome{Forward: &cloudstate.Forward{ServiceName: "s"}}), Remembered{Key: "stripped", Version: 7, stripped: true}))
	f.Fuzz(func(t *testing.T, note []byte) {
		all, err := DecodeNote(note)
		if err != nil {
			return
		}
		again, err := DecodeNote(EncodeNote(all...))
		if err != nil || len(again) != len(all) {
			t.Fatalf("%d records became %d, %v", len(all), len(again), err)
		}
		for i := range all {
			if a, b := all[i], again[i]; a.Key != b.Key || a.Fingerprint != b.Fingerprint || a.Version != b.Version || a.stripped != b.stripped || !bytes.Equal(a.answer, b.answer) {
				t.Fatalf("%+v became %+v", a, b)
			}
			cmd := keyedCommand(all[i].Key, "")
			all[i].Fingerprint = cmd.fingerprint()
			if o, err := all[i].Answers(cmd); err == nil && o.Failure != nil {
				t.Fatal("a failure is remembered")
			}
		}
		if next, err := NextNote(note, nil, 10, 5); err != nil || len(next) > len(note)+len(all)*4 {
			t.Fatalf("%d bytes became %d, %v", len(note), len(next), err)
		}
	})
}

// The index finds exactly the keys of the window, the newest event of each, however it was filled: by reading what was
// there, by being told of writes, or first one and then the other (IDEM-06).
func TestIndexIsTheWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.IntRange(1, 6).Draw(t, "window")
		var journal []string // the key of each event, or ""
		x := NewIndex(window)
		behind := false
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0: // a write that the index is told of, or not
				from := uint64(len(journal))
				for range rapid.IntRange(1, 4).Draw(t, "events") {
					journal = append(journal, "")
				}
				var r *Remembered
				if key := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key"); key != "" {
					journal[len(journal)-1] = key
					r = &Remembered{Key: key}
				}
				if rapid.Bool().Draw(t, "told") {
					x.Wrote(from, uint64(len(journal)), r)
				} else {
					behind = true
				}
			case 1:
				for seq := x.Unread(uint64(len(journal))) + 1; seq <= uint64(len(journal)); seq++ {
					if key := journal[seq-1]; key != "" {
						x.Read(seq, Remembered{Key: key})
					} else {
						x.Read(seq)
					}
				}
				behind = false
			case 2:
				if behind || x.Unread(uint64(len(journal))) != uint64(len(journal)) {
					continue
				}
				for _, key := range []string{"a", "b", "c"} {
					want := uint64(0)
					for i := max(0, len(journal)-window); i < len(journal); i++ {
						if journal[i] == key {
							want = uint64(i + 1)
						}
					}
					if got, found := x.Find(key); got != want || found != (want > 0) {
						t.Fatalf("key %s is at %d (%v), want %d of %q, window %d", key, got, found, want, journal, window)
					}
				}
				if len(x.order) > window || len(x.seqs) > window {
					t.Fatalf("%d and %d entries, window %d", len(x.order), len(x.seqs), window)
				}
			}
		}
	})
}

// A value remembers the last MaxRecent keyed commands of the window, their answers within MaxRecentBytes, over puts
// with and without a key (IDEM-08). No answer of at most 1 KiB is forgotten, whatever long ones come with it (IDEM-10).
func TestNextNote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.IntRange(1, 100).Draw(t, "window")
		var note []byte
		made, sizes := map[string]uint64{}, map[string]int{}
		var order []string
		for version := uint64(1); version <= uint64(rapid.IntRange(1, 120).Draw(t, "puts")); version++ {
			var r *Remembered
			if rapid.IntRange(0, 3).Draw(t, "keyed") > 0 {
				key := fmt.Sprint("k", version)
				sizes[key] = rapid.SampledFrom([]int{0, 10, 1000, 1 << 10, 20000, 32000, 40000}).Draw(t, "size")
				r = keyedCommand(key, "p").remember(Outcome{Reply: &Reply{TypeURL: "type.googleapis.com/example.shoppingcart.Cart", Payload: make([]byte, sizes[key])}})
				made[key], order = version, append(order, key)
			}
			var err error
			if note, err = NextNote(note, r, version, window); err != nil {
				t.Fatal(err)
			}
			if len(note) > MaxRecentBytes+MaxRecent*80 {
				t.Fatalf("a note of %d bytes", len(note))
			}
			kept, short := 0, 0
			for i, key := range order {
				got, err := Recall(note, key)
				if err != nil {
					t.Fatal(err)
				}
				want := made[key]+uint64(window) > version && i >= len(order)-MaxRecent
				if (got != nil) != want {
					t.Fatalf("%s, put at %d of %d, the %d. of %d with a key: remembered %v, window %d", key, made[key], version, i+1, len(order), got != nil, window)
				}
				if got != nil && got.stripped && sizes[key] <= 1<<10 {
					t.Fatalf("the answer of %s is forgotten, which has %d bytes", key, sizes[key])
				}
				if got != nil && !got.stripped {
					kept += len(got.answer)
				}
				if got != nil && sizes[key] <= 1<<10 {
					short += len(got.answer)
				}
			}
			if kept > MaxRecentBytes {
				t.Fatalf("%d bytes of answers", kept)
			}
			if r != nil && sizes[order[len(order)-1]] > 1<<10 && short+len(r.answer) <= MaxRecentBytes {
				if got, _ := Recall(note, order[len(order)-1]); got.stripped {
					t.Fatal("the newest answer is not kept")
				}
			}
		}
	})
}

// A note of a newer program is neither lost nor added to by this one.
func TestNextNoteOfANewerProgram(t *testing.T) {
	newer := []byte{9, 1, 2, 3}
	if got, err := NextNote(newer, nil, 5, 10); err != nil || !bytes.Equal(got, newer) {
		t.Errorf("became %v, %v", got, err)
	}
	if got, err := NextNote(newer, &Remembered{Key: "k"}, 5, 10); !errors.Is(err, ErrNote) {
		t.Errorf("became %v, %v", got, err)
	}
}
