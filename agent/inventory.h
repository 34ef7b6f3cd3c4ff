/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct plan;

/*
 * What a directory of ours holds that is about to give way to a file or link as a whole:
 * "<number>.own" in the stage, with the identity of each thing below it. Whatever else is found
 * in the directory once it has been switched came in between, and must not go with it. The
 * first thing that dropping the stages does is to remove the inventories, so while one is there
 * nothing has been dropped yet.
 */
int inventory_write(int stage_fd, uint32_t number, const struct plan *plan, uint32_t node);

/* 1 if the directory `name` in the stage holds anything else, 0 if not or if there is no
 * inventory any more. */
int inventory_is_exceeded(int stage_fd, uint32_t number, const char *name);

/* 1 if there was one. */
int inventory_remove(int stage_fd, uint32_t number);
