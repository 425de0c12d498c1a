// Command speccheck holds the standard, the published ids and the TCK's cases against each other.
//
// What enters: SPEC.md (the embedded one unless told otherwise), the list of ids published before (spec/ids.txt), the tables of what each
// profile demands in each version (spec/profiles; those of released versions never change) and the output of
// "cloudstate-tck list --json". What leaves: findings, each with what, where and how to mend it, and a table of how many
// requirements of each area have cases. What it never does: it runs no case, so it says what could be proven, not what was.
//
// Exit status: 0 nothing found, 1 findings, 2 it could not do its work (wrong flags, unreadable or unwritable files).
package main
