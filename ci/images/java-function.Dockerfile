# The user functions of fixtures/foreign/java, on the published Java library: the TCK's model, or the cart with the argument shopping-cart.
#
# Ready when cloudstate.EntityDiscovery/discover answers on HOST:PORT (0.0.0.0:8080), after two seconds and more; a port that accepts
# connections will answer. It writes nothing. SIGTERM ends it, with status 143.
FROM cloudstate/jre:local
COPY root/ /
ENV HOST=0.0.0.0 PORT=8080
EXPOSE 8080
ENTRYPOINT ["java", "-XX:-UsePerfData", "-jar", "/app/foreign-java.jar"]
CMD ["tck-model"]
