#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Measures whole deployments against plain tools that do the same copying twice: doc/benchmarks.md says how to read it.
#
#   sh tests/bench/install.sh [--build DIR] [--dir DIR] [--fs ext4|xfs|tmpfs] [--pairs N] [--cases A,B] [--list]
#
# --build  an optimised build of Drover (meson setup --buildtype=release); made in build-bench/ if not given
# --dir    where to work; needs about 20 GiB there (default: TMPDIR or /tmp)
# --fs     a file system of its own on a loop device below --dir, or a tmpfs; default: whatever --dir is on
set -eu
# shellcheck source=tests/bench/build.sh
. "$(dirname "$0")/build.sh"
add_build "$@"
exec python3 -B "$source/tests/bench/install.py" ${build:+--build "$build"} "$@"
