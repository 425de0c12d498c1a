// Package selftest proves that the TCK bites: each mutant in fixtures/mutants, a proxy or a frontend that deliberately breaks one MUST
// or SHOULD, must be caught by the cases that name that requirement.
//
// What enters: the mutants (small textual edits of this project's own sources), the TCK's cases, and the sources. What leaves: for each
// mutant whether it was killed and by which cases, for how many of the MUSTs that have a case that is so, a table for a person and a JSON report.
//
// Mutants are built with `go build -overlay`, so that the sources themselves are never touched, as many as possible into one program (combine.go):
// the environment tells it which of them to be. Each is judged by itself, by the real cloudstate-tck, as a process of its own.
//
// A mutant is killed when every case that its mutant.yaml maps to it fails, each of which names the requirement, and a sample of other
// cases still passes: a mutant that breaks everything proves nothing about the case, nor does one that crashes, which counts as broken. The
// same program with no mutant chosen passes all these cases first, as the control.
//
// It imports neither the proxy nor the support library: it builds and starts them as anybody would.
package selftest
