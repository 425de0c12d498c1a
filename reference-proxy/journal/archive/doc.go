// Package archive moves what a store holds of entities out of it and into another one, and
// reads it all to find damage.
//
// What enters: the reading or the writing side of a store, and a stream. What leaves: a
// stream in a documented, versioned text format, or the entities of one in a store, or a
// list of what is damaged. docs/operations/export-format.md describes the format.
//
// What never happens: an entity exported in a state that it never had, however busy it
// is; a line imported that was changed, or that follows one that is missing; an entity
// overwritten that is there already with other content; memory that grows with an entity's
// history or with the store.
package archive
