package journal

import "context"

// Cursor is a place in a listing. Only the store that gave it can tell what it means; "" is
// the beginning and the end.
type Cursor string

// DefaultPage and MaxPage bound what one List returns.
const (
	// DefaultPage is what a page of 0 entities or less stands for.
	DefaultPage = 1000
	// MaxPage is the largest page; a larger one is cut to it.
	MaxPage = 10_000
)

// PageSize is the size of a page of which most entities were asked for.
func PageSize(most int) int {
	if most <= 0 {
		return DefaultPage
	}
	return min(most, MaxPage)
}

// Listed says that a store holds something of an entity.
type Listed struct {
	ID EntityID
	// Journal is set for an entity with events, even if all of them were pruned, or a snapshot.
	Journal bool
	// Value is set for one that has a value.
	Value bool
}

// Catalog lists the entities that a store holds something of. It is for whoever copies or
// checks a store; nothing in the way of a command needs it.
type Catalog interface {
	// List returns what is there behind the cursor after, most of it at the most (0: DefaultPage), in an order of
	// the store's own, and where to go on; next is "" when there is no more. A page may have fewer, and even
	// none while more follow. The memory that it takes does not grow with the store.
	//
	// A listing from "" to the end has every journal and every value that is there from its first call to
	// its last, also while others are written, made and removed. It has each once, except that a journal may
	// come twice that is pruned meanwhile; an entity that has both may have them listed together or apart.
	// What only has a write of unknown outcome may be listed. A value that was deleted is not.
	//
	// When a part of the listing is damaged the error is ErrCorrupt; list is what came before it,
	// and next, unless it is "", is behind it.
	List(ctx context.Context, after Cursor, most int) (list []Listed, next Cursor, err error)
}
