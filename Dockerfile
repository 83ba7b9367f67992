# `docker build .` builds everything from source, for the platform that the builder asks for.
# `make image` stops at the target `prebuilt`, which takes the binary that make built and pulls no base image.
# Either way the image is one static file, which brings GraphiQL and the root certificates of TLS along.

FROM --platform=$BUILDPLATFORM docker.io/library/node:22-slim AS explorer
WORKDIR /src
COPY gateway/explorer/package.json gateway/explorer/package-lock.json gateway/explorer/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY gateway/explorer ./
RUN npm run build

FROM --platform=$BUILDPLATFORM docker.io/library/golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
COPY --from=explorer /src/dist gateway/explorer/dist
ARG TARGETOS TARGETARCH VERSION
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
      -ldflags "-s -w -X revox-graphql/gateway.version=$VERSION" -o /revox-graphql .

FROM scratch AS settings
ARG VERSION
LABEL org.opencontainers.image.title="revox-graphql" \
      org.opencontainers.image.description="A GraphQL gateway over the REST endpoint with which Revox lists calls" \
      org.opencontainers.image.version="${VERSION}"
ENV GATEWAY_LISTEN=:8080
EXPOSE 8080
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/revox-graphql", "health", "--timeout", "4s"]
ENTRYPOINT ["/revox-graphql"]

FROM settings AS prebuilt
COPY bin/image/revox-graphql /revox-graphql

FROM settings
COPY --from=build /revox-graphql /revox-graphql
