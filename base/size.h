/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* "512 B", "3.1 MB", "41 GB": powers of 1000, for people. */
void size_format(uint64_t bytes, char ret[static 16]);
