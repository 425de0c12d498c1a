# A Java 17 runtime of the modules that the Java function and Cassandra use, made by jlink.
FROM cloudstate/base:local
COPY root/ /
ENV JAVA_HOME=/opt/jre PATH=/opt/jre/bin:/usr/local/bin:/usr/bin:/bin
