package pebble

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// engineMarker begins the names of the empty files by whose names Pebble says which manifest
// and which format are current.
const engineMarker = "marker."

// orderedFS is the file system that Pebble gets. Pebble makes a manifest and the marker that
// names it before it syncs their directory, which is safe only where the file system makes
// such changes durable in the order in which they were asked for. This one does not rely on
// that: whatever a marker may name is durable before the marker exists, and the marker that
// follows before the old one goes.
type orderedFS struct{ vfs.FS }

// Create implements vfs.FS.
func (fs orderedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := fs.settle(name); err != nil {
		return nil, err
	}
	return fs.FS.Create(name, category)
}

// Remove implements vfs.FS.
func (fs orderedFS) Remove(name string) error {
	if err := fs.settle(name); err != nil {
		return err
	}
	return fs.FS.Remove(name)
}

// Unwrap implements vfs.FS.
func (fs orderedFS) Unwrap() vfs.FS { return fs.FS }

// settle syncs the directory of a marker.
func (fs orderedFS) settle(name string) error {
	if !strings.HasPrefix(fs.PathBase(name), engineMarker) {
		return nil
	}
	return syncDirectory(fs.FS, fs.PathDir(name))
}
