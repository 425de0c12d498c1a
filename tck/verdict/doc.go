// Package verdict turns the results of cases into verdicts on requirements and on the run.
//
// What enters: the catalogue of requirements, the result of every case of the kit, what the targets claim, and the failures that were
// announced beforehand. What leaves: one [Report], from which every output is made; its JSON form is published as a schema.
//
// The rules are those of SPEC.md, section Conformance. The package runs nothing, prints nothing and reads no clock.
package verdict
