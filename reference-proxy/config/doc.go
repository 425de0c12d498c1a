// Package config reads the proxy's settings.
//
// What enters: the command line, the environment and, when one is named, a YAML file. What leaves: one plain [Config]
// with every value checked, or an [Error] that says what is wrong, where it was written, and how to mend it.
//
// A setting has one name everywhere: --http-port on the command line is http-port in the file, and CLOUDSTATE_HTTP_PORT
// in the environment unless the setting has a traditional variable of its own (HTTP_PORT). The command line is stronger
// than the environment, which is stronger than the file, which is stronger than the default.
//
// A wrong flag, line or value is an error. A variable CLOUDSTATE_... that is no setting is none ([UnknownVariables] finds it,
// for a warning): the environment belongs to others too.
//
// The package reads nothing that it is not given: not the process's environment, not its arguments. It never connects,
// never creates a file, and no other room reads settings from anywhere else. Passwords among the settings print as stars,
// alone and inside URLs, so that all settings may be logged.
package config
