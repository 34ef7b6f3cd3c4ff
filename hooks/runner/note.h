/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct buf;

/* Adds to the remarks that go with a result; they are separated by "; ". */
void note(struct buf *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));
