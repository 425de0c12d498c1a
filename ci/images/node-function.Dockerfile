# The user functions of fixtures/foreign/node, on the published Node library: the TCK's model, or the cart with the argument shopping-cart.
#
# Ready when cloudstate.EntityDiscovery/discover answers on HOST:PORT (0.0.0.0:8080), in about a second; a port that accepts
# connections will answer. It writes nothing. SIGTERM ends it, with status 0.
FROM cloudstate/base:local
COPY root/ /
ENV HOST=0.0.0.0 PORT=8080
EXPOSE 8080
ENTRYPOINT ["node", "/app/main.js"]
CMD ["tck-model"]
