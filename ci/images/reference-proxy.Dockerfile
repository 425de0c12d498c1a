# The reference proxy: one static program. Settings come from the environment or as flags (docker run IMAGE --help); where the user
# function is: USER_FUNCTION_HOST, USER_FUNCTION_PORT.
#
# Ready when GET :8558/ready is 200, which takes a user function; alive as long as GET :8558/live is. Both say why not. The port for
# clients, 9000, is open from the start.
# State: the embedded store is in /data; --store=memory needs no disk. The rest of the file system may be read-only.
# SIGTERM stops it in order: calls in progress get --shutdown-timeout (10 s, as docker stop gives).
FROM scratch
COPY root/ /
COPY --chown=65532:65532 data/ /data/
ENV CLOUDSTATE_DATA_DIR=/data
VOLUME /data
USER 65532:65532
EXPOSE 9000 8558
ENTRYPOINT ["/bin/cloudstate-proxy"]
