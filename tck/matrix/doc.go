// Package matrix judges many combinations of proxies, frontends, stores and environments.
//
// What enters: a tck.yaml ([config.File]), what of it is wanted ([Selection]), and a way to judge one cell ([Judge]; [Child] is the real one). What leaves: a
// [Result] with every cell, each done, in error or not run with its reason, and with one verdict; and, as it goes, matrix.json ([Read] reads it again)
// and a directory for each cell.
//
// A suite is judged once for each combination of what it depends on: the frontend suite for each frontend, the proxy suite for each proxy on each store, the
// pair suite for all. Each such run is a cell, and a process of its own, so that what a target does spoils its own cells only.
//
// The package never judges a case, and never starts a target itself.
package matrix
