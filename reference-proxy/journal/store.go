package journal

// Store is everything that the proxy keeps, behind one handle.
type Store interface {
	Journal
	Snapshots
	Values
	Ownership
	Catalog

	// Close waits for calls under way and releases what the store holds. Calls after it
	// fail with ErrClosed; closing again returns nil.
	Close() error
}
