package pebble

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// Open opens the store in the directory path, or makes it if path is empty or does
// not exist. The directory belongs to the store until Close. One that an earlier
// version wrote is upgraded, after which that version refuses it.
//
// Errors: ErrInUse if another process has it open, ErrFull if there is no room for what a start writes, ErrFormat if it is not a store or one of
// a newer version, ErrCorrupt if it is damaged, and whatever the operating system says,
// each with what to do. In none of these cases was anything in the directory changed.
func Open(path string, o Options) (*Store, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.MustExist {
		if err := mustExist(o.FS, path); err != nil {
			return nil, err
		}
	}
	dir, err := openDirectory(o.FS, path)
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir:     dir,
		failure: failure{log: o.Logger, fatal: o.Fatal},
		space:   newSpace(path, o),
		seed:    maphash.MakeSeed(),
		durable: &pebble.WriteOptions{Sync: !o.DangerouslyNoSync},
	}
	s.owners.shards = map[journal.Shard]*owner{}
	s.leases.alive = map[journal.Holder]*lease{}
	for i := range s.stripes {
		s.stripes[i].init(o.LastSeqs)
	}
	if o.DangerouslyNoSync {
		o.Logger.Warn("the embedded store acknowledges before data is on the disk: a power cut loses it", "dir", path)
	}
	if err := s.openEngine(o); err != nil {
		return nil, errors.Join(err, dir.close())
	}
	return s, nil
}

// openEngine looks whether all is well, reads what is kept in memory, and opens Pebble.
func (s *Store) openEngine(o Options) error {
	cache := pebble.NewCache(o.CacheBytes)
	defer cache.Unref() // Pebble holds its own reference.
	po := &pebble.Options{
		FS:                 patientFS{orderedFS{o.FS}, new(fullness)},
		Cache:              cache,
		FormatMajorVersion: engineFormat,
		MemTableSize:       o.MemTableBytes,
		Logger:             &s.failure,
		ErrorIfExists:      !s.dir.ready,
		ErrorIfNotExists:   s.dir.ready,
		EventListener: &pebble.EventListener{
			BackgroundError: s.background,
			// Without this Pebble ends the process: a damaged file costs the entities in
			// it, not the others.
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				s.damaged("damaged: " + info.Path + ": " + oneLine{info.Details}.Error())
			},
		},
	}
	for i := range po.Levels {
		// Most look-ups for a new entity find nothing; filters spare them the disk.
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	if !s.dir.ready {
		if err := s.create(*po); err != nil {
			return err
		}
		po.ErrorIfExists, po.ErrorIfNotExists = false, true
	}
	if err := s.inspect(*po); err != nil {
		return err
	}
	if err := s.checkRoom(o); err != nil {
		return err
	}
	if err := s.dir.upgrade(); err != nil {
		return err
	}
	var err error
	if s.db, err = pebble.Open(s.dir.engine(), po); err != nil {
		return s.openTrouble(err)
	}
	return nil
}

// inspect reads, without the right to write, all that a start reads: the manifest, the log and who owns what. Pebble
// begins a new manifest before it has read the log, so damage that it meets only then would have changed the directory.
func (s *Store) inspect(po pebble.Options) error {
	// Pebble has no error of its own for a directory that it may not make.
	_, err := s.dir.fs.Stat(s.dir.engine())
	if err != nil {
		return s.openTrouble(err)
	}
	po.ReadOnly = true
	if s.db, err = pebble.Open(s.dir.engine(), &po); err != nil {
		return s.openTrouble(err)
	}
	err = s.loadOwners()
	return errors.Join(err, s.db.Close())
}

// create lays out Pebble's files. Nothing is written in this first session: its log was begun
// before Pebble raised the format to ours, so it lacks what tells damage from a torn end.
func (s *Store) create(po pebble.Options) error {
	db, err := pebble.Open(s.dir.engine(), &po)
	if err != nil {
		return s.openTrouble(err)
	}
	if err := db.Close(); err != nil {
		return s.openTrouble(err)
	}
	return s.dir.mark(true)
}

// openTrouble says what Pebble's refusal means. Pebble marks few of its errors; but where a
// store was opened before, what the operating system has no objection to is damage.
func (s *Store) openTrouble(err error) error {
	if s.dir.ready {
		var system syscall.Errno
		switch {
		case errors.Is(err, pebble.ErrDBDoesNotExist), errors.Is(err, os.ErrNotExist):
			return s.damage(journal.EntityID{}, oneLine{err}, "files are missing")
		case pebble.IsCorruptionError(err), !errors.As(err, &system):
			return s.damage(journal.EntityID{}, oneLine{err}, "a file is damaged")
		}
	}
	return fmt.Errorf("embedded store at %s cannot be opened: %w", s.dir.path, err)
}

// Close waits for calls under way, moves what is only in the log into files, and gives
// the directory back.
func (s *Store) Close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.flush()
	return errors.Join(s.db.Close(), s.dir.close())
}

// flush saves the next start the reading of the log. It is a convenience: on a full disk
// it would never end, so it has a limit, and its failure loses nothing.
func (s *Store) flush() {
	if s.failed() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushLimit)
	defer cancel()
	done, err := s.db.AsyncFlush()
	if err != nil {
		s.log.Warn("embedded store: not flushed on close; the next start reads its log", "error", err)
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
		s.log.Warn("embedded store: not flushed on close in time; the next start reads its log", "limit", flushLimit)
	}
}
