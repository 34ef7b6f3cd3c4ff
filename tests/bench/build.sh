# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# For the benchmarks' scripts, which read this file: add_build "$@" sets $source, and $build to an optimised build, made
# in build-bench/, or to nothing if the arguments name one.
source=$(cd "$(dirname "$0")/../.." && pwd)

add_build() {
    build=$source/build-bench
    for argument; do
        case $argument in
        --build | --build=*) build= ;;
        esac
    done
    [ -n "$build" ] || return 0
    [ -f "$build/build.ninja" ] || meson setup "$build" "$source" --buildtype=release >/dev/null
    ninja -C "$build" >/dev/null
}
