// Package eventsourced is the event sourced entity's side of [entity.Machine]:
// how cloudstate.eventsourced.EventSourced messages are written and read.
package eventsourced
