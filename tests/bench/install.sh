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
source=$(cd "$(dirname "$0")/../.." && pwd)
build=
for argument; do
    case $argument in
    --build | --build=*) build=given ;;
    esac
done
if [ -z "$build" ]; then
    build=$source/build-bench
    [ -f "$build/build.ninja" ] || meson setup "$build" "$source" --buildtype=release >/dev/null
    ninja -C "$build" >/dev/null
    set -- --build "$build" "$@"
fi
exec python3 -B "$source/tests/bench/install.py" "$@"
