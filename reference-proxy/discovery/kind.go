package discovery

import "fmt"

// Kind is one of the entity kinds of the Cloudstate protocol. The zero value is no kind.
type Kind uint8

// The entity kinds, in the order in which the proxy lists them in ProxyInfo.
const (
	// EventSourced entities keep a journal of events.
	EventSourced Kind = iota + 1
	// ValueEntity entities keep one current value.
	ValueEntity
	// Action has neither key nor state.
	Action
	// CRDT entities are replicated on every node.
	CRDT
)

// Kinds returns every kind that the protocol has, in a fresh slice.
func Kinds() []Kind { return []Kind{EventSourced, ValueEntity, Action, CRDT} }

// protocolType holds the entity type strings: the full names of the gRPC services that carry each kind.
var protocolType = [...]string{
	EventSourced: "cloudstate.eventsourced.EventSourced",
	ValueEntity:  "cloudstate.valueentity.ValueEntity",
	Action:       "cloudstate.action.ActionProtocol",
	CRDT:         "cloudstate.crdt.Crdt",
}

// String is the entity type string that ProxyInfo.supported_entity_types and Entity.entity_type carry (DISC-03).
func (k Kind) String() string {
	if k == 0 || int(k) >= len(protocolType) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return protocolType[k]
}

// KindOf finds the kind of an entity type string; the match is exact (GAP-09).
func KindOf(entityType string) (Kind, bool) {
	for _, k := range Kinds() {
		if protocolType[k] == entityType {
			return k, true
		}
	}
	return 0, false
}
