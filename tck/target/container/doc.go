// Package container brings targets up in containers of the local Docker engine.
//
// What enters: a [Config] with a reference (image: or dockerfile:), the environment, the published ports and a probe. What leaves: a [Container], which is handled as a
// target.Process is. Each launch is a container of its own, so that it can have another environment; what outlives it is the data directory, which is this
// machine's.
//
// The package pulls no image unless the declaration says so, and removes no container that it did not start: all that it starts is labelled with what
// [Remove] finds it by, should the kit be killed.
package container
