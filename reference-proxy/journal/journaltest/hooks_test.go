package journaltest_test

import (
	"context"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// hooks is a store some of whose methods are replaced.
type hooks struct {
	journal.Store
	append   func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error
	adopt    func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error
	read     func(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error)
	prune    func(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error
	save     func(ctx context.Context, f journal.Fence, id journal.EntityID, s journal.Snapshot) error
	latest   func(ctx context.Context, id journal.EntityID) (journal.Snapshot, bool, error)
	put      func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (uint64, error)
	get      func(ctx context.Context, id journal.EntityID) (journal.Value, error)
	delete   func(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error
	renew    func(ctx context.Context, h journal.Holder, beat uint64) error
	endLease func(ctx context.Context, h journal.Holder, beat uint64) error
	claim    func(ctx context.Context, shard journal.Shard, was journal.Token, h journal.Holder) (journal.Fence, error)
	release  func(ctx context.Context, f journal.Fence) error
	begin    func(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error
	list     func(ctx context.Context, after journal.Cursor, most int) ([]journal.Listed, journal.Cursor, error)
}

func (h *hooks) Begin(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if h.begin != nil {
		return h.begin(ctx, f, id, through)
	}
	return h.Store.Begin(ctx, f, id, through)
}

func (h *hooks) List(ctx context.Context, after journal.Cursor, most int) ([]journal.Listed, journal.Cursor, error) {
	if h.list != nil {
		return h.list(ctx, after, most)
	}
	return h.Store.List(ctx, after, most)
}

func (h *hooks) Append(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, events []journal.Entry) error {
	if h.append != nil {
		return h.append(ctx, f, id, expected, events)
	}
	return h.Store.Append(ctx, f, id, expected, events)
}

func (h *hooks) Adopt(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if h.adopt != nil {
		return h.adopt(ctx, f, id, expected)
	}
	return h.Store.Adopt(ctx, f, id, expected)
}

func (h *hooks) Read(ctx context.Context, id journal.EntityID, after uint64, max journal.Chunk) ([]journal.Record, bool, error) {
	if h.read != nil {
		return h.read(ctx, id, after, max)
	}
	return h.Store.Read(ctx, id, after, max)
}

func (h *hooks) Prune(ctx context.Context, f journal.Fence, id journal.EntityID, through uint64) error {
	if h.prune != nil {
		return h.prune(ctx, f, id, through)
	}
	return h.Store.Prune(ctx, f, id, through)
}

func (h *hooks) SaveSnapshot(ctx context.Context, f journal.Fence, id journal.EntityID, s journal.Snapshot) error {
	if h.save != nil {
		return h.save(ctx, f, id, s)
	}
	return h.Store.SaveSnapshot(ctx, f, id, s)
}

func (h *hooks) LatestSnapshot(ctx context.Context, id journal.EntityID) (journal.Snapshot, bool, error) {
	if h.latest != nil {
		return h.latest(ctx, id)
	}
	return h.Store.LatestSnapshot(ctx, id)
}

func (h *hooks) PutValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64, e journal.Entry) (uint64, error) {
	if h.put != nil {
		return h.put(ctx, f, id, expected, e)
	}
	return h.Store.PutValue(ctx, f, id, expected, e)
}

func (h *hooks) GetValue(ctx context.Context, id journal.EntityID) (journal.Value, error) {
	if h.get != nil {
		return h.get(ctx, id)
	}
	return h.Store.GetValue(ctx, id)
}

func (h *hooks) DeleteValue(ctx context.Context, f journal.Fence, id journal.EntityID, expected uint64) error {
	if h.delete != nil {
		return h.delete(ctx, f, id, expected)
	}
	return h.Store.DeleteValue(ctx, f, id, expected)
}

func (h *hooks) RenewLease(ctx context.Context, holder journal.Holder, beat uint64) error {
	if h.renew != nil {
		return h.renew(ctx, holder, beat)
	}
	return h.Store.RenewLease(ctx, holder, beat)
}

func (h *hooks) EndLease(ctx context.Context, holder journal.Holder, beat uint64) error {
	if h.endLease != nil {
		return h.endLease(ctx, holder, beat)
	}
	return h.Store.EndLease(ctx, holder, beat)
}

func (h *hooks) Claim(ctx context.Context, shard journal.Shard, was journal.Token, holder journal.Holder) (journal.Fence, error) {
	if h.claim != nil {
		return h.claim(ctx, shard, was, holder)
	}
	return h.Store.Claim(ctx, shard, was, holder)
}

func (h *hooks) Release(ctx context.Context, f journal.Fence) error {
	if h.release != nil {
		return h.release(ctx, f)
	}
	return h.Store.Release(ctx, f)
}
