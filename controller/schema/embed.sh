#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
#   sh embed.sh 0001-*.sql 0002-*.sql ...      prints C: the table of migrations
set -eu

echo '#include "controller/store_sqlite.h"'
echo
echo 'const struct store_migration store_migrations[] = {'
number=0
for file; do
    name=${file##*/}
    number=$((number + 1))
    case $name in
    "$(printf %04d "$number")"-*.sql) ;;
    *)
        echo "embed.sh: $name stands where number $number belongs" >&2
        exit 1
        ;;
    esac
    echo "{ $number, \"$name\","
    # The text as string literals, a line each, without comments.
    sed -e '/^ *--/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/.*/"&\\n"/' "$file"
    echo '},'
done
echo '};'
echo 'const size_t store_n_migrations = sizeof(store_migrations) / sizeof(store_migrations[0]);'
