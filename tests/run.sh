#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds Drover every way we support and runs every check. The last line is "N passed, N failed, N skipped",
# and the exit status is 0 only if nothing failed.
#
#   sh tests/run.sh [--full] [STEP...]
#
# Steps (default: all): gcc, clang, asan, valgrind build and run the unit tests; lint; fuzz; system, system-asan run
# the system suites. `unit` means the first four, `system` both of the last. --full runs the long form of suites that
# otherwise take a sample. Builds go to build-ci/ or to the directory that DROVER_BUILD names.
set -eu
cd "$(dirname "$0")/.."

purposes() {
    [ $# -gt 0 ] || set -- unit lint fuzz system
    echo build
    for step; do
        case $step in
        gcc | clang | asan | valgrind | unit) echo unit ;;
        lint) echo unit lint ;; # clang-tidy and cppcheck read a build's list of commands
        fuzz) echo unit fuzz ;;
        system | system-asan) echo unit system ;;
        *)
            echo "run.sh: no step \"$step\": unit (gcc, clang, asan, valgrind), lint, fuzz, system, system-asan" >&2
            return 2
            ;;
        esac
    done
}

full=
if [ "${1:-}" = --full ]; then
    full=$1
    shift
fi
needed=$(purposes "$@") || exit 2
# shellcheck disable=SC2086 # words
if ! sh packaging/dependencies.sh install $needed; then
    echo "run.sh: what the tests need could not be installed"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
# shellcheck disable=SC2086 # empty or one word
exec python3 tests/run.py $full "$@"
