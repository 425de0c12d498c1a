package pebble

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stateful-serverless/cloudstate/reference-proxy/journal"
)

// formatVersion is the version of everything in the directory: rows, keys, and
// Pebble's own files. It is raised by whatever an older proxy could not read, or would
// misunderstand.
//
//	1  events, snapshots, values, fencing tokens
//	2  notes, the holder beside the token, prune marks
//
// Every row of format 1 means in format 2 what it meant in 1 (a token without a holder: a
// shard that was released), so an upgrade changes the marker and nothing else.
const formatVersion = 2

// engineFormat is Pebble's format in formatVersion. It is named rather than "the newest",
// so that a new Pebble does not change directories behind an older proxy's back.
const engineFormat = pebble.FormatValueSeparation

const (
	markerName = "FORMAT"
	markerTemp = "FORMAT.new"
	lockName   = "LOCK"
	engineName = "db"
	// markerWord begins the marker of every version.
	markerWord = "cloudstate-journal"
	// maxMarker bounds what is read of a marker.
	maxMarker = 256
)

// A marker is one line: the word, the version, and how far the directory came.
// It is "creating" while Pebble's files are laid out and "ready" ever after, so a
// directory whose creation was cut short is told from one that lost its files.
type marker struct {
	version int
	ready   bool
}

func (m marker) String() string {
	state := "creating"
	if m.ready {
		state = "ready"
	}
	return fmt.Sprintf("%s %d %s\n", markerWord, m.version, state)
}

func parseMarker(text string) (marker, error) {
	fields := strings.Fields(text)
	if len(fields) < 2 || fields[0] != markerWord {
		return marker{}, fmt.Errorf("%w: its %s file does not say %q; name a directory of the embedded store, or an empty one", journal.ErrFormat, markerName, markerWord)
	}
	version, err := strconv.Atoi(fields[1])
	if err != nil || version < 1 {
		return marker{}, fmt.Errorf("%w: its %s file names no version; restore it from a backup", journal.ErrFormat, markerName)
	}
	if version > formatVersion {
		return marker{}, fmt.Errorf("%w: it has version %d, this proxy knows up to %d; run a newer proxy", journal.ErrFormat, version, formatVersion)
	}
	if len(fields) != 3 || (fields[2] != "creating" && fields[2] != "ready") {
		return marker{}, fmt.Errorf("%w: its %s file is damaged; restore it from a backup", journal.ErrFormat, markerName)
	}
	return marker{version: version, ready: fields[2] == "ready"}, nil
}

// directory is a store's directory, locked by this process.
type directory struct {
	fs   vfs.FS
	path string
	lock io.Closer
	// ready is false for a new directory, in which Pebble is yet to be set up.
	ready bool
	// version is that of the marker.
	version int
}

// mustExist fails unless there is a store at path.
func mustExist(fs vfs.FS, path string) error {
	if _, err := fs.Stat(fs.PathJoin(path, markerName)); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("embedded store: %w: %s holds no store, it has no file %s; name the directory of one", journal.ErrSchema, path, markerName)
		}
		return fmt.Errorf("embedded store: %s cannot be looked at: %w", path, err)
	}
	return nil
}

// openDirectory locks path, making it if need be, and reads what it is. Nothing in a
// directory that is not ours is touched.
func openDirectory(fs vfs.FS, path string) (*directory, error) {
	if err := makeDirectory(fs, path); err != nil {
		return nil, fmt.Errorf("embedded store: directory %s cannot be made: %w; name one that this process may write to", path, err)
	}
	if err := refuseForeign(fs, path); err != nil {
		return nil, err
	}
	lock, err := fs.Lock(fs.PathJoin(path, lockName))
	if err != nil {
		if lockHeld(err) {
			return nil, fmt.Errorf("embedded store at %s: %w by another proxy; stop that one, or give this one its own directory (%w)", path, journal.ErrInUse, err)
		}
		return nil, fmt.Errorf("embedded store: %s cannot be locked: %w; name a directory that this process may write to", path, err)
	}
	d := &directory{fs: fs, path: path, lock: lock}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

// prepare brings the directory to where Pebble can be opened.
func (d *directory) prepare() error {
	text, err := d.readMarker()
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := d.mark(false); err != nil {
			return err
		}
	case err != nil:
		return fmt.Errorf("embedded store: %s cannot be read: %w", d.fs.PathJoin(d.path, markerName), err)
	default:
		m, err := parseMarker(text)
		if err != nil {
			return fmt.Errorf("embedded store at %s: %w", d.path, err)
		}
		d.ready, d.version = m.ready, m.version
	}
	if d.ready {
		return nil
	}
	// Whatever an interrupted creation left was never written to by anybody.
	if err := d.fs.RemoveAll(d.engine()); err != nil {
		return fmt.Errorf("embedded store: what an interrupted creation left at %s cannot be removed: %w", d.engine(), err)
	}
	if err := makeDirectory(d.fs, d.engine()); err != nil {
		return fmt.Errorf("embedded store: directory %s cannot be made: %w", d.engine(), err)
	}
	return nil
}

// mark records that the directory is of the present format, and whether Pebble's files
// are in place.
func (d *directory) mark(ready bool) error {
	d.ready, d.version = ready, formatVersion
	return d.writeMarker(marker{version: formatVersion, ready: ready})
}

// upgrade marks a directory of an earlier format as one of the present, before the first
// row is written that an earlier proxy would misunderstand. It must be whole.
func (d *directory) upgrade() error {
	if d.version == formatVersion {
		return nil
	}
	return d.mark(true)
}

func (d *directory) engine() string { return d.fs.PathJoin(d.path, engineName) }

func (d *directory) close() error { return d.lock.Close() }

func (d *directory) readMarker() (string, error) {
	f, err := d.fs.Open(d.fs.PathJoin(d.path, markerName))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxMarker))
	return string(text), errors.Join(err, f.Close())
}

// writeMarker replaces the marker in one step that a crash cannot tear.
func (d *directory) writeMarker(m marker) error {
	temp := d.fs.PathJoin(d.path, markerTemp)
	f, err := d.fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, werr := f.Write([]byte(m.String()))
		err = errors.Join(werr, f.Sync(), f.Close())
	}
	if err == nil {
		err = d.fs.Rename(temp, d.fs.PathJoin(d.path, markerName))
	}
	if err == nil {
		err = syncDirectory(d.fs, d.path)
	}
	if err != nil {
		return fmt.Errorf("embedded store: %s cannot be written: %w; make room, or name a directory that this process may write to", d.fs.PathJoin(d.path, markerName), err)
	}
	return nil
}

// refuseForeign lets a directory pass that has a marker, or nothing that matters.
func refuseForeign(fs vfs.FS, path string) error {
	names, err := fs.List(path)
	if err != nil {
		return fmt.Errorf("embedded store: directory %s cannot be read: %w", path, err)
	}
	var foreign string
	for _, name := range names {
		switch name {
		case markerName:
			return nil
		case lockName, markerTemp, "lost+found":
		default:
			foreign = name
		}
	}
	if foreign != "" {
		return fmt.Errorf("embedded store: %w: %s holds %q and other files that are not of this store; name an empty directory or restore its %s file", journal.ErrFormat, path, foreign, markerName)
	}
	return nil
}

// makeDirectory makes path and what leads to it, so that a crash keeps them.
func makeDirectory(fs vfs.FS, path string) error {
	var parents []string // of the directories to make
	for at := path; ; {
		if _, err := fs.Stat(at); err == nil {
			break
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		parent := fs.PathDir(at)
		if parent == at {
			break
		}
		parents = append(parents, parent)
		at = parent
	}
	if err := fs.MkdirAll(path, 0o750); err != nil {
		return err
	}
	for _, p := range parents {
		if err := syncDirectory(fs, p); err != nil {
			return err
		}
	}
	return nil
}

func syncDirectory(fs vfs.FS, path string) error {
	dir, err := fs.OpenDir(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// lockHeld tells a lock that somebody holds from one that cannot be made. A second lock
// by this same process is an error of Pebble's vfs without a type of its own.
func lockHeld(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || err.Error() == "lock held by current process"
}
