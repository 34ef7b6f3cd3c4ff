/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/*
 * The verb `check`: looks over an appspec file, or a whole bundle (a directory, or an archive,
 * which is unpacked into a scratch directory below TMPDIR or /var/tmp that is gone at the end,
 * by a signal as well) and writes what it finds to `out`: one line per finding and a summary,
 * or with `json` one object {"path", "errors", "warnings", "diagnostics": [{"severity", "file",
 * "line", "column", "id", "text"}]} on one line, where line and column are null without a
 * place.
 *
 * Returns the exit status: 0 if nothing is wrong (or there are only warnings, unless `strict`),
 * 1 for warnings with `strict`, 2 for errors and for a path that cannot be read.
 */
int check_path(const char *path, bool strict, bool json, FILE *out);
