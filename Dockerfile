# marketsvc in a small image; docs/operations.md says how to run it. Needs BuildKit, which is Docker's default.
# .ci/container carries out the same steps where there is no container engine.

FROM rust:1.94-slim-bookworm AS build
WORKDIR /build
# Cargo reads all members of the workspace, also those that are not built here. .cargo says how the SQLite
# inside is compiled.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY bench/peers/rust bench/peers/rust
COPY tests tests
COPY database-url database-url
COPY entity entity
COPY migration migration
COPY service service
COPY api api
# What /livez tells: there is no git here.
ARG MARKETSVC_COMMIT=unknown
# The caches hold the compiled dependencies and stay out of the image. Cargo goes by the time of a file, and
# a file that another commit brought back may be older than what the cache was made from: hence touch.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target,sharing=locked \
    find api database-url entity migration service -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package api \
    && cp target/release/marketsvc /usr/local/bin/marketsvc

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="marketsvc" \
      org.opencontainers.image.description="An order service over HTTP and JSON" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# A fixed number, so that a volume's files belong to the same user in every image.
RUN groupadd --gid 10001 marketsvc \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin marketsvc \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /usr/local/bin/marketsvc /usr/local/bin/marketsvc
ENV DATABASE_URL=sqlite:///data/marketplace.db?mode=rwc \
    MARKETSVC_LISTEN=0.0.0.0:9090
WORKDIR /data
VOLUME /data
EXPOSE 9090
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/marketsvc", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/marketsvc"]
CMD ["serve", "--migrate"]
