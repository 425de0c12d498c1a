// Package importrules holds the table of who may import whom, and checks the repository against it.
//
// What enters: the packages of this module as `go list` tells them. What leaves: one violation for each import that the
// table does not admit, with the reason why. It never imports anything of this module: it judges the code without being part
// of it. The rules run as a test of this package, so `go test ./...` enforces them.
package importrules
