// Package telemetry makes the proxy's logger and its metrics.
//
// What enters: where to log, the least important level, the format; and from the rooms, the names of what they count and
// the numbers. What leaves: a *slog.Logger that every room is given and adds its own attributes to, and [Metrics], whose page a
// Prometheus server reads.
//
// The package decides nothing about what is logged or counted, and keeps no global logger or registry. A label never
// holds what a user or a user function chose, such as an entity's id, so the number of series is known beforehand.
// docs/operations/metrics.md lists them all.
package telemetry
