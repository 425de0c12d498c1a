// Package cloudstate holds the standard's normative text, SPEC.md, and does nothing else. Package spec reads it.
//
// What enters: nothing. What leaves: the text. It never parses it and imports nothing of this module.
package cloudstate

import _ "embed"

// Spec is the text of SPEC.md as it was when this module was built, in UTF-8 with LF line ends.
//
//go:embed SPEC.md
var Spec string
