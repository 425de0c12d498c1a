package proxy

import (
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/eventsourced"
	esmodel "github.com/stateful-serverless/cloudstate/protocols/gen/cloudstate/tck/model/eventsourced"
	"github.com/stateful-serverless/cloudstate/protocols/trace"
	"github.com/stateful-serverless/cloudstate/tck/suite"
)

// snapshotRestartCases are about snapshots in the next process.
func snapshotRestartCases() []suite.Case {
	k := eventSourced
	return []suite.Case{
		k.overRestarts("snapshot", "after an orderly stop replay begins with the newest snapshot, and only later events follow; after a kill none is lost",
			requires("STO-17", "ES-05", "ES-06", "ES-08", "STO-14"), func(s *scene) {
				e := s.entity(k, k.model)
				states := map[int64]string{5: "state at 5", 8: "state at 8"}
				i := e.put("STO-17", counted(3)...)
				i.snapshot("4 and 5", states[5], "4", "5")
				i = i.restartAt(5, states[5], counted(5)) // now it is known to be stored
				i.asksStoring("STO-17", "more", "6", "7")
				s.stopAndStart(i)
				i = e.resumesFrom("STO-17", 5, states, counted(7))
				i.snapshot("8", states[8], "8")
				i = i.restartAt(8, states[8], counted(8))
				i.asksStoring("STO-17", "more", "9")
				s.stopAndStart(i)
				i = e.resumesFrom("STO-17", 8, states, counted(9))
				i.asksStoring("STO-14", "more", "10")
				s.killAndStart()
				e.resumesFrom("ES-06", 0, states, counted(10))
			}),
	}
}

// resumesFrom is resumes for an entity that has had these snapshots, by number: the stream must begin with one of number least or higher, or, when that is 0, may have none.
func (e *entity) resumesFrom(requirement string, least int64, states map[int64]string, journal []string) *instance {
	i, c := e.tries("STO-15", codes.Unavailable, "")
	first, err := i.recv(e.ctx)
	e.t.Check(err, suite.Failure{Requirement: requirement})
	in, _ := first.(*eventsourced.EventSourcedStreamIn)
	sequence := in.GetInit().GetSnapshot().GetSnapshotSequence()
	state, known := states[sequence]
	var want *eventsourced.EventSourcedSnapshot
	if known {
		want = &eventsourced.EventSourcedSnapshot{SnapshotSequence: sequence, Snapshot: pack(&esmodel.Persisted{Value: state})}
	}
	e.t.Require(sequence >= least && (known || sequence == 0), suite.Failure{
		Requirement: requirement, Expected: "init with the newest snapshot that was stored", Got: trace.Text(first),
	})
	e.t.Equal(esBegin(e.service, e.id, want, 1, nil)[0], first, suite.Failure{Requirement: requirement})
	i.expect(requirement, esBegin(e.service, e.id, nil, sequence+1, journal[sequence:])[1:]...)
	i.serves(requirement, c)
	return i
}

// valueRestartCases are about deleted values in the next process.
func valueRestartCases() []suite.Case {
	k := valueBased
	return []suite.Case{
		k.overRestarts("delete", "a deleted value is gone in every later process, and one that was stored after it is there",
			requires("STO-16", "VE-14", "VE-15", "VE-38"), func(s *scene) {
				gone, back, never := s.entity(k, k.model), s.entity(k, k.model), s.entity(k, k.two)
				i, j, n := gone.put("STO-16", "A"), back.put("STO-16", "A"), never.put("STO-16")
				i.acts("STO-16", veDelete())
				j.acts("STO-16", veDelete())
				j.asksStoring("STO-16", "again", "B")
				n.acts("STO-16", veDelete())
				s.killAndStart()
				i, j, n = gone.resumes("STO-16"), back.resumes("STO-16", "B"), never.resumes("STO-16")
				j.acts("STO-16", veDelete())
				s.stopAndStart(i, j, n)
				gone.resumes("STO-16").asksStoring("STO-16", "at last", "C")
				back.resumes("STO-16")
				s.killAndStart()
				gone.resumes("STO-16", "C")
				back.resumes("STO-16")
			}),
	}
}

// alike are texts that stores have taken for one another, or for their own syntax.
var alike = []string{
	"a", "A", "b", " a", "a ", "a  ", "\ta", "a\n", "a\r\n", "a\x00", "\x00a", "a\x00a", "\x01", "\x7f",
	"\u00e1", "a\u0301", "\u00c5", "\u212b", "\ufb01", "fi", "\u00df", "ss", "i", "\u0131", "\u0130", "\ufeff", "\u200b", "\u202e", "\ufffd", "\U0001f600", "\U0010ffff",
	"a%", "a_", "%", "*", "'", "''", `"`, `\`, `\\`, `\x00`, "$1", "?", "--", "/* */", ";", "NULL", "null", "0", "00", "-0", "1e3", "1000",
	"a|b", "|", "a/b", "..", ".", "/", "a:b", "{}", "[]", "\x1b[0m",
	strings.Repeat("a", 255), strings.Repeat("a", 256), strings.Repeat("a", 257), strings.Repeat("\u00e9", 400), strings.Repeat("long", 225) + "1", strings.Repeat("long", 225) + "2",
}

// idCases are about ids that a store might mix up.
func idCases(k *kind) []suite.Case {
	return []suite.Case{
		k.overRestarts("ids", "entities whose ids differ in any way keep their own state over a restart, whatever characters the ids have and up to 1,024 bytes",
			append(k.both("ES-28", "VE-37"), "STO-21", "LIM-16"), func(s *scene) {
				prefix := s.t.ID("")
				var entities []*entity
				var instances []*instance
				for _, text := range append([]string{""}, alike...) {
					e := s.entityOf(k, k.model, prefix+text)
					entities = append(entities, e)
					instances = append(instances, e.put("STO-21", "value of "+text))
				}
				for _, end := range []string{"y", "z"} { // as long as an id may be, and only the last byte differs
					e := s.entityOf(k, k.model, prefix+strings.Repeat("x", 1023-len(prefix))+end)
					entities = append(entities, e)
					instances = append(instances, e.put("STO-21", "value of "+end))
				}
				s.stopAndStart(instances...)
				for n, e := range entities {
					value := "value of " + e.id[len(e.id)-1:]
					if n <= len(alike) {
						value = "value of " + strings.TrimPrefix(e.id, prefix)
					}
					e.resumes("STO-21", value)
				}
			}),
	}
}
