# PostgreSQL for tests: user and database are called postgres, and whoever reaches the port is let in without a password.
# Arguments are the server's: docker run IMAGE -c max_connections=20.
#
# Ready when it answers a query: the health check is pg_isready. In the log, "database system is ready to accept connections" comes
# once, for the cluster is made without starting it.
# State: /data, a new cluster if it is empty; sockets in /tmp. The rest may be read-only. SIGINT, as docker stop sends here, ends clients
# and stops it in order; a kill is a crash, from which it recovers.
FROM cloudstate/base:local
COPY root/ /
COPY --chown=65532:65532 data/ /data/
ENV PGDATA=/data/cluster PGHOST=/tmp PGUSER=postgres
VOLUME /data
EXPOSE 5432
STOPSIGNAL SIGINT
HEALTHCHECK --interval=1s --timeout=3s --retries=60 CMD ["pg_isready", "--quiet"]
ENTRYPOINT ["/bin/sh", "/usr/local/bin/start-postgres"]
