package entity

// Protocol is what the event sourced and the value entity protocol do differently.
// Implementations are stateless and safe for concurrent use.
type Protocol interface {
	// Command encodes the message that carries cmd to the user function.
	Command(entityID string, cmd *Command) []byte
	// Answer reads a message of the user function. An error says what is wrong with
	// it and makes it a protocol violation with the text Texts.Message.
	Answer(msg []byte) (Answer, error)
	// Texts are the fixed texts of the kind.
	Texts() *Texts
}

// Texts are what callers are told of stream-level faults; SPEC.md fixes them for
// each kind (ES-37 to ES-42, VE-21).
type Texts struct {
	Reply       string // a reply that nobody asked for, or one that breaks a rule
	Failure     string // a failure on the stream
	Message     string // an empty or unreadable message
	Termination string // the user function closed or broke the stream
	Queued      string // what commands behind the failed one are told
	Load        string // the store could not be read
	Write       string // the store could not be written
}

// Answer is a message of the user function, read.
type Answer struct {
	Kind AnswerKind
	// CommandID names the command that a reply or failure is about.
	CommandID int64
	// Detail is a failure's description, or for AnswerReply the rule that the reply
	// breaks (such as a snapshot without events, ES-23); empty when it breaks none.
	Detail  string
	Outcome Outcome
	Write   Write
	// Snapshot is an encoded Any, nil for none (ES-21).
	Snapshot []byte
}

// AnswerKind tells the messages of a user function apart.
type AnswerKind uint8

const (
	// AnswerEmpty is a message with no content: a protocol violation.
	AnswerEmpty AnswerKind = iota
	// AnswerReply answers a command.
	AnswerReply
	// AnswerFailure is a failure of the stream (ES-37).
	AnswerFailure
)

// Write is the state change that a reply asks for.
type Write struct {
	Op WriteOp
	// Events are encoded Anys, for WriteAppend.
	Events [][]byte
	// Value is an encoded Any, for WritePut.
	Value []byte
}

// WriteOp is the kind of a [Write].
type WriteOp uint8

const (
	// WriteNone changes nothing.
	WriteNone WriteOp = iota
	// WriteAppend appends events to the journal (ES-20).
	WriteAppend
	// WritePut replaces the value (VE-13).
	WritePut
	// WriteDelete removes the value (VE-14).
	WriteDelete
)
