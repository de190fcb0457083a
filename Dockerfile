# Two images with all commands of the project; docs/gpus.md shows how they are used.
#
#   docker build --target cpu --tag elo_tf:cpu .
#   docker build --target gpu --tag elo_tf:gpu .      with CUDA's libraries (NVIDIA container toolkit on the host)
FROM python:3.11-slim-bookworm AS base

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

WORKDIR /opt/elo_tf
RUN python -m pip install --upgrade "setuptools>=64,<81" wheel
# What is installed is declared in these; the sources below change more often.
COPY setup.cfg pyproject.toml requirements.txt README.md LICENSE ./
COPY elo_tf/ elo_tf/
COPY export/ export/
COPY experiments/ experiments/

FROM base AS gpu
RUN python -m pip install --no-build-isolation -e ".[gpu,ray,serving]"
# What the toolkit mounts from the host's driver: its libraries, and nvidia-smi.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /data
ENTRYPOINT ["python", "-m"]
CMD ["elo_tf.search", "--help"]

# Last, so that it is what `docker build .` makes.
FROM base AS cpu
RUN python -m pip install --no-build-isolation -e ".[ray,serving]"
WORKDIR /data
ENTRYPOINT ["python", "-m"]
CMD ["elo_tf.search", "--help"]
