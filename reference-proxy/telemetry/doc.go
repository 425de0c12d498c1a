// Package telemetry makes the proxy's logger.
//
// What enters: where to write, the least important level, the format. What leaves: a *slog.Logger that every room is
// given and adds its own attributes to. The package decides nothing about what is logged, keeps no global logger, and
// has no metrics: rooms that count something show their numbers themselves.
package telemetry
