# rolecall in an image: the binary, one configuration file, no shell.
#
#   docker build -t rolecall .
#   docker run --network host -v /etc/rolecall:/etc/rolecall:ro rolecall
#
# With --network host the listeners of the configuration (127.0.0.1:6379 and so on) are those of the host.

FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin rolecall && mkdir /run/rolecall

# The same Debian as above, so the same glibc; only that and the certificates of authorities are in it.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/rolecall /usr/local/bin/rolecall
COPY config/rolecall.yaml /etc/rolecall/rolecall.yaml
# For the admin socket: docker exec CONTAINER rolecall status.
COPY --from=build --chown=nonroot:nonroot /run/rolecall /run/rolecall
USER nonroot:nonroot
# Unhealthy without admin.http in the configuration; where that is another address, give --health-cmd.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["/usr/local/bin/rolecall", "check", "--ready", "http://127.0.0.1:9379/readyz"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/rolecall"]
CMD ["run", "-c", "/etc/rolecall/rolecall.yaml"]
