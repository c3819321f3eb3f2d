# One image for api, worker and migrate; docker-compose.yml says which of them a container is.
# It runs as a user of its own, with a read-only root: what is written goes to /dev/shm (pictures in work) and /tmp.
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/venv
COPY requirements-runtime.lock .
# The lock is all of it, so nothing that it leaves out on purpose (Makefile: UNUSED) is fetched as somebody's dependency.
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/venv/bin/pip install --no-deps --require-hashes --only-binary psycopg-binary,pyvips-binary -r requirements-runtime.lock \
 && /opt/venv/bin/pip uninstall --yes pip
WORKDIR /app
COPY config config
COPY migrations migrations
COPY cmd cmd
COPY internal internal
RUN /opt/venv/bin/python -m compileall -q internal cmd \
 && printf '#!/bin/sh\nexec python -P /app/cmd/imagectl/main.py "$@"\n' > /opt/venv/bin/imagectl && chmod 755 /opt/venv/bin/imagectl

FROM ${PYTHON}
RUN groupadd --gid 10001 image && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin image
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY LICENSE THIRD-PARTY.md /app/
COPY licenses /app/licenses
WORKDIR /app
# HEALTH_PORT: where the HEALTHCHECK asks; a worker's is its WORKER_PORT.
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SERVER_HOST=0.0.0.0 WORKER_HOST=0.0.0.0 HEALTH_PORT=8080
USER 10001:10001
EXPOSE 8080 8081
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"HEALTH_PORT\"]}/health/ready', timeout=3)"]
CMD ["python", "-P", "cmd/api/main.py"]
