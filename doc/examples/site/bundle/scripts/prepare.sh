#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What nginx writes to is not part of a revision, so that logs outlive it.
set -eu
# shellcheck source=/dev/null # made by make.sh
. "$(dirname "$0")/site.env"
mkdir -p "$SITE/run" "$SITE/logs"
