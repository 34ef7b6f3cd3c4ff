/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* "512 B", "3.1 MB", "41 GB": powers of 1000, for people. */
void size_format(uint64_t bytes, char ret[static 16]);

/*
 * The reverse, for what people write: digits and B, kB, MB, GB (powers of 1000), KiB, MiB, GiB
 * (of 1024) or nothing for bytes, with or without a blank between. Returns 0; -EINVAL if it is
 * none, -ERANGE if it does not fit.
 */
int size_parse(uint64_t *ret_bytes, const char *text);
