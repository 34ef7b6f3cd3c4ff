#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
# shellcheck source=/dev/null # made by make.sh
. "$(dirname "$0")/site.env"
sed -e "s|@SITE@|$SITE|g" -e "s|@PORT@|$PORT|g" -e "s|@USER@|$(id -un)|g" \
    "$SITE/conf/nginx.conf.in" >"$SITE/conf/nginx.conf"
nginx -t -q -e "$SITE/logs/error.log" -c "$SITE/conf/nginx.conf"
echo "configured $REVISION for port $PORT"
