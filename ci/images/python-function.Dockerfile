# The user functions of fixtures/foreign/python, on the published Python library: the TCK's model, or the cart with the argument shopping-cart.
#
# Ready when cloudstate.EntityDiscovery/discover answers on HOST:PORT (0.0.0.0:8080), in about a second; a port that accepts
# connections will answer. It writes nothing. SIGTERM ends it, with status 0.
FROM cloudstate/base:local
COPY root/ /
ENV HOST=0.0.0.0 PORT=8080 PYTHONDONTWRITEBYTECODE=1
EXPOSE 8080
ENTRYPOINT ["python3", "/app/main.py"]
CMD ["tck-model"]
