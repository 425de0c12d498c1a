package entity

import (
	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate"
)

// Command is one call on its way to an entity instance. Its creator owns it until
// it is submitted; after that only the machine and its driver touch it.
type Command struct {
	// Name is the rpc's simple name (ES-16).
	Name string
	// TypeURL and Payload make the Any that carries the request; Payload is the
	// client's message as it came over the wire, never decoded (SERV-07).
	TypeURL string
	Payload []byte
	// Metadata is an encoded cloudstate.Metadata, empty for none (META-02).
	Metadata []byte
	// Done receives the command's outcome, exactly once. Its creator makes it with
	// room for one, so that releasing an outcome never blocks.
	Done chan Outcome
	// Gone, if not nil, says that the caller no longer waits. It is asked right before
	// the command would be sent: the caller's own word (Abandon) may come a moment later.
	Gone func() bool
	// Keyed, if not nil, makes the command one that its caller may send again (IDEM-03).
	Keyed *Keyed

	// id numbers the command on its stream, once it is sent; or it is withdrawn.
	id int64
}

// withdrawn is the id of a command that is not sent, as its caller has gone.
const withdrawn = -1

// Reply is the answer that a caller gets.
type Reply struct {
	// TypeURL names the payload's type; empty with Payload nil when the user
	// function sent no payload.
	TypeURL string
	// Payload is the encoded message, passed on unchanged (SERV-08).
	Payload []byte
	// Metadata becomes response headers (META-05); nil for none.
	Metadata *cloudstate.Metadata
}

// Outcome is what became of a command. At most one of Reply, Forward, Failure and
// Fault is set; none means that the user function answered without a client
// action, which only side effects and streams may do (GAP-16).
type Outcome struct {
	Reply   *Reply
	Forward *cloudstate.Forward
	// Failure is what the user function stated (SERV-10).
	Failure *cloudstate.Failure
	// Fault is what went wrong without the user function having said so.
	Fault *Fault
	// Effects are to be run, in order, before the caller is answered (FWD-09).
	Effects []*cloudstate.SideEffect
}

// FaultClass sorts faults by what a caller can do about them; package serve turns
// it into a status code.
type FaultClass uint8

const (
	// FaultProtocol means that the user function broke the protocol, failed the stream or
	// closed it (ES-37 to ES-40).
	FaultProtocol FaultClass = iota
	// FaultUnavailable means that the user function cannot be reached; nothing was sent.
	FaultUnavailable
	// FaultTimeout means that the user function did not answer within the command time-out.
	FaultTimeout
	// FaultStore means that what is stored cannot be read, or what is to be stored
	// cannot be written, now or later (ES-42, ES-61, VE-22, VE-23).
	FaultStore
	// FaultDamaged means that what is stored of the entity is damaged (SERV-56).
	FaultDamaged
	// FaultStoreUnavailable means that the store cannot be reached, that it did not say whether it
	// wrote, or that another node owns the entity: the caller may try again (SERV-55).
	FaultStoreUnavailable
	// FaultStoreFull means that the store has no room left; nothing of this command is durable.
	FaultStoreFull
	// FaultOverload means that the instance's queue or the node's instance table is full.
	FaultOverload
	// FaultShutdown means that the proxy is stopping and takes no new command.
	FaultShutdown
	// FaultKeyReused means that another command had the same idempotency key (IDEM-05).
	FaultKeyReused
	// FaultAnswerLost means that the command was carried out at an earlier try whose answer was too
	// long to keep (IDEM-10).
	FaultAnswerLost
)

// Fault is a failure that the user function did not state. It is an error, so
// that it can travel as one.
type Fault struct {
	Class FaultClass
	// Text is what the caller is told. For FaultProtocol it is one of the fixed
	// texts of SPEC.md; the detail goes to the log and to reportError.
	Text string
}

func (f *Fault) Error() string { return f.Text }
