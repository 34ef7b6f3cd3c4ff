#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Measures the controller under a simulated fleet: doc/benchmarks.md says how to read it.
#
#   sh tests/bench/controller.sh [--build DIR] [--dir DIR] [--pairs N] [--hosts N] [--parked N] [--rounds N] [--verbose]
#
# --build   an optimised build of Drover (meson setup --buildtype=release); made in build-bench/ if not given
# --dir     where the database lies (default: TMPDIR or /tmp)
# --hosts   how many take part in the rollout that is measured (default 5000)
# --parked  how many wait while the first answer is timed (default 1000)
# --rounds  how many first answers are timed (default 200)
set -eu
# shellcheck source=tests/bench/build.sh
. "$(dirname "$0")/build.sh"
add_build "$@"
PYTHONPATH=$source/tests/system exec python3 -B "$source/tests/bench/controller.py" ${build:+--build "$build"} "$@"
