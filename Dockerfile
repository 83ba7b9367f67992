# `make image` builds the binary, and this image around it: one static file with GraphiQL and the root certificates.
FROM scratch
ARG VERSION
LABEL org.opencontainers.image.title="revox-graphql" \
      org.opencontainers.image.description="A GraphQL gateway over the REST endpoint with which Revox lists calls" \
      org.opencontainers.image.version="${VERSION}"
COPY bin/image/revox-graphql /revox-graphql
ENV GATEWAY_LISTEN=:8080
EXPOSE 8080
USER 65532:65532
ENTRYPOINT ["/revox-graphql"]
