#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The packages Drover needs, for each purpose, and how to install those that are missing.
#
#   sh packaging/dependencies.sh list PURPOSE...      the names on this distribution
#   sh packaging/dependencies.sh missing PURPOSE...   those of them that are not installed
#   sh packaging/dependencies.sh install PURPOSE...   installs them; does nothing if none is missing
#
# Purposes: build, unit, lint, fuzz, system, demo. Each stands alone: `unit` does not include `build`.
set -eu

# purpose | Debian and Ubuntu | Fedora and RHEL (CRB and EPEL enabled). "a/b": a, or b if that is there already.
packages() {
    cat <<'END'
build  | gcc                     | gcc
build  | libc6-dev               | glibc-devel
build  | meson                   | meson
build  | ninja-build             | ninja-build
build  | pkg-config/pkgconf      | pkgconf-pkg-config
build  | libsystemd-dev          | systemd-devel
build  | libjansson-dev          | jansson-devel
build  | libyaml-dev             | libyaml-devel
build  | libarchive-dev          | libarchive-devel
build  | zlib1g-dev              | zlib-devel
build  | libseccomp-dev          | libseccomp-devel
build  | libacl1-dev             | libacl-devel
build  | libselinux1-dev         | libselinux-devel
build  | libssl-dev              | openssl-devel
build  | libsqlite3-dev          | sqlite-devel
unit   | check                   | check-devel
unit   | openssl                 | openssl
unit   | clang                   | clang
unit   | llvm                    | llvm
unit   | ccache                  | ccache
unit   | valgrind                | valgrind
unit   | python3                 | python3
unit   | procps                  | procps-ng
unit   | acl                     | acl
unit   | attr                    | attr
lint   | clang                   | clang
lint   | clang-format            | clang-tools-extra
lint   | clang-tidy              | clang-tools-extra
lint   | cppcheck                | cppcheck
lint   | shellcheck              | ShellCheck
lint   | pyflakes3               | python3-pyflakes
lint   | mandoc                  | mandoc
lint   | python3                 | python3
lint   | git                     | git-core
fuzz   | clang                   | clang
fuzz   | llvm                    | llvm
fuzz   | ccache                  | ccache
fuzz   | python3                 | python3
system | check                   | check-devel
system | python3                 | python3
system | ca-certificates         | ca-certificates
system | curl                    | curl
system | nginx-light/nginx-core/nginx-full/nginx-extras | nginx
system | zip                     | zip
system | unzip                   | unzip
system | zstd                    | zstd
system | xz-utils                | xz
system | acl                     | acl
system | attr                    | attr
system | strace                  | strace
system | procps                  | procps-ng
system | util-linux              | util-linux
system | iproute2                | iproute
system | e2fsprogs               | e2fsprogs
system | xfsprogs                | xfsprogs
system | openssl                 | openssl
system | awscli                  | awscli2
system | python3-boto3           | python3-boto3
system | nodejs                  | nodejs
system | mmdebstrap              | mmdebstrap
system | systemd-container       | systemd-container
demo   | curl                    | curl
demo   | nginx-light/nginx-core/nginx-full/nginx-extras | nginx
demo   | procps                  | procps-ng
demo   | awscli                  | awscli2
END
}

die() {
    echo "dependencies.sh: $*" >&2
    exit 1
}

# Debian by its package database: that also fits derivatives whose /etc/os-release says something else.
find_family() {
    if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
        family=debian
    elif command -v rpm >/dev/null && command -v dnf >/dev/null; then
        family=fedora
    else
        # shellcheck disable=SC1091 # only there on the machine that runs this
        name=$(. /etc/os-release 2>/dev/null && echo "${PRETTY_NAME:-}") || name=
        die "no package names known for ${name:-this system}: README.md lists what is needed"
    fi
}

is_installed() {
    case $family in
    debian) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    fedora) rpm -q --quiet --whatprovides "$1" ;;
    esac
}

# The package of "a/b/c" that counts: the first that is installed, else a.
choose() {
    rest=$1/
    while [ -n "$rest" ]; do
        one=${rest%%/*}
        rest=${rest#*/}
        if is_installed "$one"; then
            echo "$one"
            return
        fi
    done
    echo "${1%%/*}"
}

list() {
    for purpose; do
        packages | grep -q "^$purpose " || die "no purpose \"$purpose\""
    done
    packages | tr -d ' ' | while IFS='|' read -r purpose debian fedora; do
        case " $* " in
        *" $purpose "*) if [ "$family" = debian ]; then choose "$debian"; else choose "$fedora"; fi ;;
        esac
    done | sort -u
}

missing() {
    list "$@" | while read -r name; do
        is_installed "$name" || echo "$name"
    done
}

# A package's service must not start just because the package is installed for a test: until we are done, the
# file that Debian's maintainer scripts ask says no. One that is there already is left as it is.
forbid_services() {
    policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || return 0
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

# Package lists may be absent (images come without), or so old that the files they name are gone from the mirror.
install_debian() {
    export DEBIAN_FRONTEND=noninteractive
    forbid_services
    if have_lists "$@" && apt_install "$@"; then
        return
    fi
    apt-get update -qq
    apt_install "$@"
}

have_lists() {
    for package; do
        apt-cache show "$package" >/dev/null 2>&1 || return 1
    done
}

apt_install() {
    apt-get install -qq --yes --no-install-recommends -o Dpkg::Use-Pty=0 "$@"
}

install() {
    absent=$(missing "$@")
    [ -n "$absent" ] || return 0
    # shellcheck disable=SC2086 # package names
    set -- $absent
    [ "$(id -u)" -eq 0 ] || die "these packages are missing, and only root can install them: $*"
    echo "installing: $*"
    case $family in
    debian) install_debian "$@" ;;
    fedora) dnf install --assumeyes --quiet --setopt=install_weak_deps=False "$@" ;;
    esac
}

[ $# -ge 2 ] || die "use: dependencies.sh list|missing|install PURPOSE..."
verb=$1
shift
find_family
case $verb in
list | missing | install) "$verb" "$@" ;;
*) die "no verb \"$verb\": list, missing, install" ;;
esac
