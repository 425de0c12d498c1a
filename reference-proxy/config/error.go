package config

import "fmt"

// Error is a setting that cannot be used.
type Error struct {
	// Setting is its name, such as http-port; empty when the fault is not about one setting.
	Setting string
	// Value is what was written; empty when there was none.
	Value string
	// Place is where it was written: "flag --http-port", "environment variable HTTP_PORT", "proxy.yaml:3".
	Place string
	// Problem says what is wrong, unless the remedy says it all.
	Problem string
	// Remedy says how to mend it.
	Remedy string
}

// Error gives one line: place, value, problem, remedy.
func (e *Error) Error() string {
	text := e.Place + ": "
	if e.Setting != "" && e.Problem == "" {
		text += fmt.Sprintf("%q is no value for %s", e.Value, e.Setting)
	}
	text += e.Problem
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}
