// Package cli is the command line of the TCK.
//
// What enters: arguments and the two output streams. What leaves: an exit status (the Exit constants), text, and the reports that
// were asked for.
//
// The package only joins the parts: the cases of all suites, the catalogue, the engine and the reports. It never judges, and it never
// reads the arguments or the environment behind its caller's back.
package cli
