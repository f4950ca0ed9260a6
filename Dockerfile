# rolecall in an image: the binary, no shell, no configuration.
#
#   docker build -t rolecall .     (or make image, which takes podman or buildah where there is no docker)
#   docker run --network host -v /etc/rolecall:/etc/rolecall:ro rolecall
#
# With --network host the listeners of the configuration (127.0.0.1:6379 and so on) are those of the host.
# deploy/compose.yaml runs it beside Redis, Sentinel, Prometheus and Grafana.

FROM rust:1-bookworm AS build
WORKDIR /src
# The dependencies, in a layer that lasts until they change. An image needs no benches, which stand last.
COPY Cargo.toml Cargo.lock ./
RUN sed -i '/^\[\[bench\]\]/,$d' Cargo.toml \
    && mkdir src && echo 'fn main() {}' >src/main.rs && touch src/lib.rs \
    && cargo build --release --locked --bin rolecall \
    && rm -r src
COPY config config
COPY src src
# cargo goes by time stamps, and what was built above is younger than these files.
RUN find src -type f -exec touch {} + \
    && cargo build --release --locked --bin rolecall \
    && mkdir -p /out/run/rolecall

# The same Debian as above, so the same glibc; only that and the certificates of authorities are in it.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=unknown
LABEL org.opencontainers.image.title="rolecall" \
      org.opencontainers.image.description="A role-aware TCP proxy for Redis and Valkey" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /src/target/release/rolecall /usr/local/bin/rolecall
# For the admin socket: docker exec CONTAINER rolecall status.
COPY --from=build --chown=65532:65532 /out/run/rolecall /run/rolecall
# nonroot, by number: where names do not count, as in Kubernetes' runAsNonRoot.
USER 65532:65532
# Unhealthy without admin.http in the configuration; where that is another address, give --health-cmd.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["/usr/local/bin/rolecall", "check", "--ready", "http://127.0.0.1:9379/readyz"]
# Stops accepting and lets sessions go on for `grace` (10s): docker stop --time 30.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/rolecall"]
CMD ["run", "-c", "/etc/rolecall/rolecall.yaml"]
