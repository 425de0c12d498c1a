#!/bin/sh
# Starts Cassandra as its own seed: without one that answers, a node gives up. Arguments are the JVM's.
set -eu
cat /opt/cassandra/cassandra.yaml - >/data/cassandra.yaml <<SEED
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "$HOSTNAME"
SEED
exec java @/opt/cassandra/java.args "$@" org.apache.cassandra.service.CassandraDaemon
