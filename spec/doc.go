// Package spec is the catalogue of the standard's requirements, read from SPEC.md.
//
// What enters: the text of SPEC.md, the embedded one (Load) or any other (Parse). What leaves: a Catalogue of areas, profiles,
// requirements, settled gaps and inventory decisions, or the list of all faults in the text, each with its line, what is wrong and how
// to mend it.
//
// What it never does: it judges nobody, knows nothing of test cases (cmd/speccheck brings the two together), and adds nothing that
// the text does not say.
//
// The forms that it reads, all on lines of their own outside code blocks:
//
//	Specification version: **0.2.0**. Protocol version: **0.2**.
//	## Event sourced entities (ES)              an area
//	## CRDT entities (CRDT, reserved)           an area without requirements yet
//	- **ES-20** (proxy, event-sourced) MUST …   a requirement; lines indented by two spaces go on with it
//	- **ES-20** (proxy, core) {since 0.3.0} MUST … [GAP-01, GAP-02]
//	  - Not tested: the reason …                below a requirement: why no case proves it
//	- **ES-17** WITHDRAWN: the reason …         an id that is never used again
//	| `event-sourced` | … | … |                 a profile (in the section "Profiles")
//	| GAP-34 | … | … |                          a settled gap: the question, the decision
//	| ES-20 | kept | … |                        a decision on an inventory row
package spec
