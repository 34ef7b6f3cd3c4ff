#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Asks nginx to finish what it is serving; 10 seconds are enough for pages like these.
set -eu
# shellcheck source=/dev/null # made by make.sh
. "$(dirname "$0")/site.env"
pid=$(cat "$SITE/run/nginx.pid" 2>/dev/null) || { echo "nginx is not running"; exit 0; }
# The number may be another's by now.
if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != nginx ]; then
    echo "nginx ($pid) is gone already"
    exit 0
fi
kill -QUIT "$pid"
tries=100
while kill -0 "$pid" 2>/dev/null; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "nginx ($pid) did not stop" >&2; exit 1; }
    sleep 0.1
done
echo "stopped nginx ($pid)"
