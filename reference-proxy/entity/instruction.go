package entity

// Op is what an [Instruction] asks for.
type Op uint8

const (
	// OpActivate loads the state, opens a stream, sends init and replay; then call
	// Activated or ActivationFailed.
	OpActivate Op = iota
	// OpRecall looks whether the entity, which is at Position, remembers an earlier try of Command; then call Recalled.
	OpRecall
	// OpSend sends Message.
	OpSend
	// OpWrite makes Write durable, following position Position, and Remember with it if not nil; then
	// call Written or WriteFailed.
	OpWrite
	// OpConfirm makes sure that nobody else can have changed the entity: what is to be
	// answered, without a write, must not be out of date. Then call Confirmed or Disowned.
	OpConfirm
	// OpSnapshot stores Snapshot as covering everything up to Position. Its failure is
	// only logged (ES-21).
	OpSnapshot
	// OpSettle releases Outcome to Command's caller.
	OpSettle
	// OpCloseStream half-closes the stream and lets the user function complete it (ES-45).
	OpCloseStream
	// OpAbort cancels the stream at once.
	OpAbort
	// OpReport tells the user function Text through reportError, and the log (ES-43).
	OpReport
	// OpRetire forgets the machine, which has ended. A later command needs a new one.
	OpRetire
)

// Instruction is one thing that the driver is to do, in order.
type Instruction struct {
	Op       Op
	Message  []byte
	Write    Write
	Remember *Remembered
	Position uint64
	Snapshot []byte
	Command  *Command
	Outcome  Outcome
	Text     string
}
