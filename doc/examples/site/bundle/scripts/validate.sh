#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The revision is good if its page is served and is its own.
set -eu
# shellcheck source=/dev/null # made by make.sh
. "$(dirname "$0")/site.env"
page=$(curl --silent --show-error --fail --max-time 5 --retry 5 --retry-delay 1 --retry-connrefused --noproxy '*' \
    "http://127.0.0.1:$PORT/")
case $page in
*"revision $REVISION"*) echo "the page of $REVISION is served" ;;
*)
    echo "the page that is served is not that of $REVISION" >&2
    exit 1
    ;;
esac
