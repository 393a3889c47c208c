# wsdiag from its released package: docker build --build-arg WSDIAG_VERSION=0.1.0 -t wsdiag .
#   docker run --rm wsdiag connect wss://example.org/socket
#   docker run --rm -t wsdiag ping wss://example.org/socket           # -t: the live chart
#   docker run --rm -p 8765:8765 wsdiag serve --host 0.0.0.0
# Checked with hadolint. Building it needs a container engine and the released package; the tests
# do not do that.
FROM python:3.13-slim

ARG WSDIAG_VERSION=0.1.0
RUN pip install --no-cache-dir --no-compile --disable-pip-version-check "wsdiag[socks,prometheus]==${WSDIAG_VERSION}" \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin wsdiag

# Numeric, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 10001
WORKDIR /tmp
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8765
HEALTHCHECK NONE
# Process 1 has no default action for SIGTERM; wsdiag handles it and ends cleanly.
STOPSIGNAL SIGTERM
ENTRYPOINT ["wsdiag"]
CMD ["--help"]
