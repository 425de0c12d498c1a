# User functions on support-go: the TCK's model, or the carts with the arguments shopping-cart and value-shopping-cart. Static programs.
#
# Ready when cloudstate.EntityDiscovery/discover answers on HOST:PORT (0.0.0.0:8080), a moment after the start; a port that accepts
# connections will answer. It writes nothing. SIGTERM stops it in order.
FROM scratch
COPY root/ /
ENV PATH=/bin HOST=0.0.0.0 PORT=8080
USER 65532:65532
EXPOSE 8080
CMD ["tck-model"]
