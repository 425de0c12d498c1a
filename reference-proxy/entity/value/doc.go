// Package value is the value entity's side of [entity.Machine]: how
// cloudstate.valueentity.ValueEntity messages are written and read.
package value
