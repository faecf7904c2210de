# SPDX-License-Identifier: Apache-2.0
# Builds FlatKV on a clean Debian 12 and runs the demo:
#   docker build -t flatkv . && docker run --rm flatkv
FROM debian:12
WORKDIR /flatkv

# Before the sources, so that a change of these does not install again.
COPY scripts/lib.sh scripts/bootstrap scripts/
RUN scripts/bootstrap build && rm -rf /var/lib/apt/lists/*

COPY . .
RUN scripts/build
ENV PATH=/flatkv/build/bin:$PATH
CMD ["scripts/demo"]
