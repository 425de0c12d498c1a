package route

import (
	"crypto/sha256"
	"encoding/binary"
)

// keyed is the idempotency key of a call.
type keyed struct {
	// name is the client's text or, for a forward, a digest.
	name string
	// entity is the id of the entity that the call goes to; "" for an action.
	entity string
}

// forwarded is the key of what a call on service with the key k is forwarded to. A forward
// is the rest of the same call, so it has to take effect once with it. But what the key names is not the same: a chain may
// come to one entity twice, and callers of two entities may use one key. So it is made of the whole way (IDEM-11).
func (k *keyed) forwarded(service string) *keyed {
	if k == nil {
		return nil
	}
	h := sha256.New()
	for _, part := range [...]string{k.name, service, k.entity} {
		h.Write(binary.AppendUvarint(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	// The first byte is none that a client's text could begin with.
	return &keyed{name: string(h.Sum([]byte{0}))}
}
