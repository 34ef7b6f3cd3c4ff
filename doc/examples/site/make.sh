#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts a revision of the example together:  sh make.sh REVISION BUNDLE-DIR SITE-DIR PORT
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 4 ] || { echo "use: make.sh REVISION BUNDLE-DIR SITE-DIR PORT" >&2; exit 2; }
revision=$1 bundle=$2 site=$3 port=$4
[ -d "$here/revisions/$revision" ] || { echo "make.sh: no revision $revision" >&2; exit 2; }
case $site in
/*[\"\\\&\|\$\`]* | [!/]*)
    echo "make.sh: the site's directory is absolute and has none of \" \\ & | \$ \` in its name" >&2
    exit 2
    ;;
esac
rm -rf "$bundle"
mkdir -p "$bundle"
cp -Rp "$here/bundle/." "$here/revisions/$revision/." "$bundle"
sed "s|@SITE@|$site|" "$here/bundle/appspec.yml" >"$bundle/appspec.yml"
cat >"$bundle/scripts/site.env" <<END
SITE="$site"
PORT="$port"
REVISION="$revision"
END
