# One node of Cassandra for tests, without passwords. The heap is 512 MB (JDK_JAVA_OPTIONS); Lucene, JMX from outside and the like are not set up.
#
# Ready when port 9042 accepts connections, after 7 seconds and more; in the log "Starting listening for CQL clients". It takes clients under
# the container's own address, which it also tells to drivers: reach it there, or have the driver look for no other hosts.
# State: /data. The rest may be read-only. SIGTERM stops it in order; a kill is a crash, and the last 10 s may be lost with the machine.
FROM cloudstate/jre:local
COPY root/ /
COPY --chown=65532:65532 data/ /data/
ENV JDK_JAVA_OPTIONS="-Xms512m -Xmx512m"
VOLUME /data
EXPOSE 9042 7000
ENTRYPOINT ["/bin/sh", "/usr/local/bin/start-cassandra"]
