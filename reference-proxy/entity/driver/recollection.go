package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stateful-serverless/cloudstate/reference-proxy/entity"
	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// recollection is what an instance knows of the keyed commands that its entity remembers. An
// entity that never saw one has the zero value, which costs nothing.
type recollection struct {
	events *entity.Index // event sourced: made for the first keyed command of an activation
	note   []byte        // value entity: that of the value, as loaded or written last
}

// recall looks whether an earlier try of the command was carried out, before the user
// function is sent it.
func (in *instance) recall(i *entity.Instruction) {
	ctx, cancel := context.WithTimeout(context.Background(), in.host.cfg.CommandTimeout)
	defer cancel()
	var outcome *entity.Outcome
	r, err := in.typ.kind.recall(ctx, in, i.Position, i.Command.Keyed.Key)
	if err == nil && r != nil {
		var o entity.Outcome
		o, err = r.Answers(i.Command)
		outcome = &o
	}
	if err != nil {
		// What the instance holds is not in doubt, and other commands go on: neither is it refused, whatever is
		// damaged. If its state is, too, the next load finds out.
		if leftOut, admitted := in.host.complaints.admit(time.Now()); admitted {
			in.host.log.Error("it cannot be told whether a command with an idempotency key was carried out before; it is not sent",
				"service", in.typ.Service, "entity", in.id.Key, "error", err, "left_out", leftOut)
		}
		outcome = &entity.Outcome{Fault: in.recallFault(err, in.typ.kind.protocol().Texts().Load)}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.machine.Recalled(outcome)
}

// recall brings the index up to date, which reads the window once an activation, and then
// the event that it points to.
func (eventSourced) recall(ctx context.Context, in *instance, position uint64, key string) (*entity.Remembered, error) {
	if in.memory.events == nil {
		in.memory.events = entity.NewIndex(in.host.cfg.IdempotencyWindow)
	}
	x := in.memory.events
	err := in.read(ctx, x.Unread(position), position, func(r journal.Record) error {
		remembered, err := noted(r)
		if err == nil {
			x.Read(r.Seq, remembered...)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	seq, found := x.Find(key)
	if !found {
		return nil, nil
	}
	var remembered []entity.Remembered
	err = in.read(ctx, seq-1, seq, func(r journal.Record) (err error) {
		remembered, err = noted(r)
		return err
	})
	for i := range remembered {
		if remembered[i].Key == key {
			return &remembered[i], err
		}
	}
	return nil, err
}

// read gives do the events after the one numbered after, up to the one numbered through;
// those that were removed are left out.
func (in *instance) read(ctx context.Context, after, through uint64, do func(journal.Record) error) error {
	for after < through {
		chunk := in.host.cfg.Replay
		chunk.Records = int(min(uint64(chunk.WithDefaults().Records), through-after))
		recs, _, err := in.host.store.Read(ctx, in.id, after, chunk)
		var pruned *journal.PrunedError
		if errors.As(err, &pruned) && pruned.Through > after {
			after = pruned.Through
			continue
		}
		if err != nil {
			return err
		}
		if len(recs) == 0 {
			return fmt.Errorf("%w: %s ends at event %d, it had %d", journal.ErrCorrupt, in.id, after, through)
		}
		for _, r := range recs {
			if err := do(r); err != nil {
				return err
			}
			after = r.Seq
		}
	}
	return nil
}

func noted(r journal.Record) ([]entity.Remembered, error) {
	remembered, err := entity.DecodeNote(r.Note)
	if err != nil {
		return nil, fmt.Errorf("event %d: %w", r.Seq, err)
	}
	return remembered, nil
}

func (valueEntity) recall(_ context.Context, in *instance, _ uint64, key string) (*entity.Remembered, error) {
	return entity.Recall(in.memory.note, key)
}

// prunable is how far events may be removed when a snapshot covers those up to covered: not so far
// as one that remembers a keyed command, as long as that is within the window (IDEM-07).
func (in *instance) prunable(ctx context.Context, covered uint64) (uint64, error) {
	window := uint64(in.host.cfg.IdempotencyWindow)
	in.unnoted = max(in.unnoted, covered-min(covered, window))
	err := in.read(ctx, in.unnoted, covered, func(r journal.Record) error {
		if len(r.Note) > 0 {
			return errNoted
		}
		in.unnoted = r.Seq
		return nil
	})
	if errors.Is(err, errNoted) {
		err = nil
	}
	return min(in.unnoted, covered), err
}

var errNoted = errors.New("an event with a note")
