#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
# shellcheck source=/dev/null # made by make.sh
. "$(dirname "$0")/site.env"
nginx -e "$SITE/logs/error.log" -c "$SITE/conf/nginx.conf"
echo "started nginx ($(cat "$SITE/run/nginx.pid"))"
