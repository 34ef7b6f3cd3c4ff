#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Drover's main job, shown once from end to end:  sh packaging/quickstart.sh [DIR]
#
# Installs the packages it needs, builds Drover, and deploys a small web site to this machine: a first revision, a
# second one, a third one that is broken, and back. Then it starts a controller on loopback, and AWS's command line
# rolls a revision over a fleet of simulated hosts, half at a time, and one that is broken. Everything it writes is
# below DIR; without DIR in a temporary directory that is removed at the end. The exit status is 0 only if everything
# happened as it is told here.
set -eu

source=$(cd "$(dirname "$0")/.." && pwd)
PATH=$PATH:/usr/sbin:/sbin
export PATH CCACHE_DISABLE=1 # a compiler cache would write elsewhere

die() {
    echo "quickstart.sh: $*" >&2
    exit 1
}

step() {
    number=$((number + 1))
    printf '\n== %d. %s\n' "$number" "$*"
}

# Shows a command as one would type it, and runs it; its exit status must be the first argument.
run() {
    expected=$1
    shift
    printf '$'
    for word; do
        case $word in
        "$dir"*) printf ' %s' "\$DIR${word#"$dir"}" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    echo
    status=0
    "$@" || status=$?
    [ "$status" -eq "$expected" ] || die "that ended with status $status, not with $expected"
}

# shellcheck source=packaging/quickstart_fleet.sh
. "$source/packaging/quickstart_fleet.sh"

drover_agent() {
    verb=$1
    shift
    set -- "$verb" --state-dir "$dir/state" "$@"
    run "$expect" drover-agent "$@"
}

# The page that is served has to be that of a revision.
show_page() {
    page=$(curl --silent --show-error --fail --max-time 5 --noproxy '*' "http://127.0.0.1:$port/") ||
        die "no page at http://127.0.0.1:$port/"
    printf '$ curl http://127.0.0.1:%s/\n%s\n' "$port" "$page"
    case $page in
    *"revision $1"*) ;;
    *) die "that is not the page of revision $1" ;;
    esac
}

# A TCP port of 8080 to 8999 that nothing listens on, whatever the address.
free_port() {
    candidate=8080
    while [ "$candidate" -lt 9000 ]; do
        if ! grep -q "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$candidate") [0-9A-F:]* 0A" /proc/net/tcp /proc/net/tcp6 \
            2>/dev/null; then
            echo "$candidate"
            return
        fi
        candidate=$((candidate + 1))
    done
    die "no port from 8080 to 8999 is free"
}

stop_site() {
    pid=$(cat "$dir/site/run/nginx.pid" 2>/dev/null) || return 0
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = nginx ] || return 0
    kill -TERM "$pid" 2>/dev/null || return 0
    tries=100
    while [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = nginx ] && [ "$tries" -gt 0 ]; do
        tries=$((tries - 1))
        sleep 0.1
    done
}

at_exit() {
    status=$?
    trap - EXIT
    stop_fleet
    stop_site
    if [ "$temporary" = yes ] && [ "$status" -eq 0 ]; then
        rm -rf --one-file-system "$dir"
    elif [ "$status" -ne 0 ]; then
        echo "quickstart.sh: what was written so far is in $dir" >&2
    fi
    exit "$status"
}

[ $# -le 1 ] || die "use: sh packaging/quickstart.sh [DIR]"
case ${1:-} in
-*) die "use: sh packaging/quickstart.sh [DIR]" ;;
esac
[ "$(id -u)" -eq 0 ] || die "run it as root: an agent that deploys changes files that belong to others"

number=0
expect=0
sh "$source/packaging/dependencies.sh" install build demo ||
    die "the packages that are needed could not be installed"
if [ $# -eq 1 ]; then
    temporary=no
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
else
    temporary=yes
    dir=$(mktemp -d "${TMPDIR:-/tmp}/drover-quickstart-XXXXXX")
fi
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export TMPDIR="$dir/tmp"
mkdir -p "$TMPDIR"
stop_site # of a run that was cut off
echo "DIR is $dir"

step "Build Drover, and install it below DIR"
if [ -e "$dir/build/build.ninja" ]; then
    meson configure "$dir/build" -Ddemo=true --prefix "$dir/drover" --sysconfdir "$dir/drover/etc" >"$dir/build.log"
else
    meson setup "$dir/build" "$source" --buildtype=release -Dtests=false -Ddemo=true --prefix "$dir/drover" \
        --sysconfdir "$dir/drover/etc" >"$dir/build.log" 2>&1 || { cat "$dir/build.log" && die "cannot configure"; }
fi
ninja -C "$dir/build" install >>"$dir/build.log" 2>&1 || { tail -n 40 "$dir/build.log" && die "cannot build"; }
PATH=$dir/drover/bin:$dir/drover/sbin:$dir/build/tests/fakes/host:$PATH
run 0 drover-agent --version
run 0 droverd --version

port=$(free_port)
for revision in 1.0.0 1.1.0 1.2.0-broken; do
    sh "$source/doc/examples/site/make.sh" "$revision" "$dir/revisions/$revision" "$dir/site" "$port"
done
tar -C "$dir/revisions/1.1.0" -czf "$dir/revisions/1.1.0.tgz" .

step "Look over the first revision's bundle before it goes anywhere"
run 0 drover-agent check "$dir/revisions/1.0.0"

step "Deploy it: files are installed, hooks configure nginx, start it and fetch a page (port $port of loopback)"
drover_agent deploy --group site --bundle "$dir/revisions/1.0.0"
show_page 1.0.0

step "The second revision is an archive. What would change? (nothing is changed yet)"
drover_agent plan --group site --bundle "$dir/revisions/1.1.0.tgz"
show_page 1.0.0

step "Deploy the second revision: the first one's ApplicationStop hook stops nginx, the new files are put in place"
drover_agent deploy --group site --bundle "$dir/revisions/1.1.0.tgz"
show_page 1.1.0
[ ! -e "$dir/site/www/news.html" ] || die "news.html of 1.0.0 should be gone"

step "The third revision is broken: its ValidateService finds no page, so the deployment fails (exit status 1)"
expect=1
drover_agent deploy --group site --bundle "$dir/revisions/1.2.0-broken"
expect=0

step "Where do we stand? 1.2.0-broken is installed, but the good one is 1.1.0"
drover_agent status

step "Roll back: the newest good revision comes again, from the copy that this host kept"
drover_agent rollback
show_page 1.1.0
[ ! -e "$dir/site/www/home.html" ] || die "home.html of 1.2.0-broken should be gone"

show_fleet

step "Clean up: stop the hosts, the controller and nginx$([ "$temporary" = no ] || echo ", remove DIR")"
stop_fleet
stop_site
! curl --silent --max-time 5 --noproxy '*' --output /dev/null "http://127.0.0.1:$port/" || die "nginx is still there"
echo
echo "Everything happened as it should. Next: README.md and doc/man/"
