#!/usr/bin/env bash
# What a GPU makes of the towers, in about ten minutes on a machine that has one:
#
#   experiments/benchmarks/gpu.sh [--smoke] FOLDER      FOLDER receives videos, records and gpu.md, the table
#
# PYTHON names the interpreter (.venv/bin/python), PEAK_TERAFLOPS the peak of a device that the project does not know.
# --smoke runs everything with towers of toy size, on a CPU too, to see that it runs.
set -euo pipefail

size=128 crop=112 videos=192 seconds=5.12 options=()
if [ "${1:-}" = --smoke ]; then
  shift
  size=32 crop=16 videos=16 seconds=1.28
  options=(--backbones=tiny --batches=4 --frames=4 --steps=4 --tasks=rgb/shuffle --modalities=rgb)
fi
folder="$(realpath -m "${1:?usage: gpu.sh [--smoke] FOLDER}")"
cd "$(dirname "$0")/../.."
python="${PYTHON:-.venv/bin/python}"

command -v nvidia-smi > /dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
mkdir -p "$folder"
"$python" -m elo_tf.prepare --world="$videos" --labelled_per_class=0 --world_seconds="$seconds" --world_size="$size" \
  --size="$size" --videos="$folder/videos" --records="$folder/records"
"$python" -m experiments.benchmarks.gpu_speed --records="$folder/records/unlabelled" --crop_size="$crop" \
  --output="$folder/gpu.md" ${PEAK_TERAFLOPS:+--peak_teraflops="$PEAK_TERAFLOPS"} ${options[@]+"${options[@]}"}
