# For the demo of compose.yml alone: a host with iproute2 and nftables, to be a NAT router or to hold a network namespace.
ARG DEBIAN_IMAGE=debian:bookworm-slim
FROM ${DEBIAN_IMAGE}
RUN apt-get update && \
    apt-get install --yes --no-install-recommends iproute2 nftables && \
    rm -rf /var/lib/apt/lists/*
COPY docker/router.sh /usr/local/bin/router
COPY docker/host.sh /usr/local/bin/host
