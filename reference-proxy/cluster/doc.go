// Package cluster says who owns what. For now the cluster is one node, which owns
// every shard; what is here already is the way from an entity to its shard and to
// the fencing token under which it is written.
//
// What enters: entity ids, and the store's word that a token is out of date. What
// leaves: fences. It never reads or writes entities.
package cluster
