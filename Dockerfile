# syntax=docker/dockerfile:1
# secondme as a container: small, without a compiler, and not root. docs/containers.md says how to run it.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY secondme ./secondme
RUN python -m venv /opt/secondme \
    && /opt/secondme/bin/pip install --no-cache-dir --disable-pip-version-check . \
    && find /opt/secondme -name __pycache__ -prune -exec rm -rf {} + \
    && /opt/secondme/bin/pip uninstall --yes --quiet --root-user-action=ignore pip

FROM python:${PYTHON}-slim
# WhatsApp's library looks at files with libmagic.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libmagic1 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 secondme \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin secondme \
    && install --directory --owner=secondme --group=secondme --mode=0700 /data
COPY --from=build /opt/secondme /opt/secondme
ENV PATH=/opt/secondme/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SECONDME_HOME=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["secondme", "status", "--here", "--json"]
ENTRYPOINT ["secondme"]
CMD ["serve"]
