# Container image of marketsvc; docs/operations.md describes its use. Requires BuildKit (Docker's default).
# .ci/container tests the same steps without a container engine.

# Base images are fixed by digest; docs/operations.md says how to update them.
FROM rust:1.94-slim-bookworm@sha256:4d716df1764a41cb27d01f8be7f76baccf2c25289403fa600273bf2f7471cc20 AS build
# Stores the list of dependencies in the program, for scanners.
RUN cargo install --locked --root /usr/local cargo-auditable@0.7.7
WORKDIR /build
# Cargo needs the manifests of all workspace members, including those that are not built here. .cargo/config.toml
# sets the compile options of the bundled SQLite; .cargo/rustc removes build paths.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY bench/peers/rust bench/peers/rust
COPY tests tests
COPY database-url database-url
COPY entity entity
COPY migration migration
COPY service service
COPY api api
# Commit that /livez reports; the build context contains no git repository.
ARG MARKETSVC_COMMIT=unknown
# The caches hold compiled dependencies and are not part of the image. Cargo compares modification times, and a
# source file restored by a checkout may be older than the cached build; touch forces a rebuild.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target,sharing=locked \
    find api database-url entity migration service -name '*.rs' -exec touch {} + \
    && RUSTC_WRAPPER=/build/.cargo/rustc cargo auditable build --release --locked --package api \
    && cp target/release/marketsvc /usr/local/bin/marketsvc

FROM debian:bookworm-slim@sha256:abd67ffcfa541b485a3dff59865ab629aa048a6c613e639d36e7456b0b229241
LABEL org.opencontainers.image.title="marketsvc" \
      org.opencontainers.image.description="An order service over HTTP and JSON" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
# A fixed user id, so that the files of a volume have the same owner in every image.
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
