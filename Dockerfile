# syntax=docker/dockerfile:1
# A small image: the one binary on glibc, no shell, no package manager, not root.
#
#   docker build -t opsknight .
#   docker run -p 8080:8080 -v opsknight-data:/data opsknight
#
# The first start prints a one-time set-up command. Kubernetes asks over HTTP: GET /healthz (alive) and GET /readyz (the store
# answers, and it is not about to stop); for others there is the HEALTHCHECK, without a shell.

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# The caches stay with the builder; the binary has to leave them within the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --profile dist --locked --bin opsknight \
    && install -D target/dist/opsknight /out/opsknight \
    && mkdir /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="OpsKnight" \
      org.opencontainers.image.description="Holds incidents and sends their events to webhooks, without losing one" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/opsknight /usr/local/bin/opsknight
# A new named volume takes over the owner of the folder it covers.
COPY --from=build --chown=65532:65532 /out/data /data
VOLUME /data
EXPOSE 8080
USER 65532:65532
# SIGTERM, which is what Docker sends, lets deliveries in flight finish first.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/opsknight", "ready"]
ENTRYPOINT ["/usr/local/bin/opsknight"]
CMD ["serve", "--listen", "0.0.0.0:8080", "--data", "/data"]
