// Package config reads tck.yaml: which proxies, frontends, stores and environments there are, how each is brought up, and which of their
// combinations are judged.
//
// What enters: the text of a file. What leaves: a [File], or an error that names everything that is wrong with it, each with line and
// column. The form is given by a JSON schema ([Schema]), which is published for editors; what a schema cannot say is checked after it.
//
// The package starts nothing and looks for nothing: whether a program, an image or a file that is named exists is told by whoever uses it.
package config
