// Package mockcli is what the command lines of the two mocks have in common.
//
// What enters: the grammar of a command line, whose commands do the work, its arguments and its streams. What leaves: what the commands print, and
// an exit status: 0 as wanted, 1 the peer did not do what was wanted ([Unmet]), 2 the command line, or a file that it names, makes no sense.
//
// What it never does: it speaks no protocol, and knows neither mock.
package mockcli
