/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/journal.h"

struct error;
struct plan;
struct stager;

/*
 * A plan as operations: what must be staged where, and what is switched afterwards. A missing
 * directory is staged and switched with all that is below it as one.
 */
struct operation {
	uint32_t node; /* UINT32_MAX: a file of the state directory */
	uint8_t kind;  /* enum op_kind */
	bool is_directory;
	uint32_t stage;
	uint32_t number;
	const char *state_name; /* for state files: owned */
	struct identity after;
	struct identity before;
};

/* A stage directory: root's alone, in a directory of the host. */
struct stage {
	uint32_t node; /* where it stands; UINT32_MAX: the state directory */
	int fd;
	uint32_t n; /* entries numbered so far */
	struct identity identity;
};

struct operations {
	struct operation *items;
	size_t n, cap;
	struct stage *stages; /* 0: the state directory's */
	size_t n_stages, cap_stages;
	char *stage_name;
	uint32_t *directory_of; /* by node: index + 1 in directories */
	uint32_t *directories;  /* nodes; 0 is the state directory */
	size_t n_directories, cap_directories;
};

/* Only looks. */
void operations_collect(struct operations *ret, const struct plan *plan);
void operations_done(struct operations *operations);

/* Adds a file of the state directory that is staged under a number of stage 0; returns it. */
uint32_t operations_add_state(struct operations *operations, char *name);

/* The intent, durable; returns the journal's fd. */
int operations_announce(const struct operations *operations, const struct plan *plan,
	bool fresh_replaced, struct error *err);

/* Makes the stage directories. */
int operations_make_stages(
	struct operations *operations, const struct plan *plan, struct error *err);

/* Stages all new objects and originals that come back. */
int operations_stage(struct operations *operations, struct plan *plan, struct stager *stager);

/* Appends the operations to the journal. */
int operations_write(const struct operations *operations, const struct plan *plan,
	bool fresh_replaced, int journal_fd, struct error *err);

/* replaced/ of a deployment, made if `make`. Returns the fd, or -ENOENT. */
int operations_open_replaced(const struct plan *plan, const char *deployment, bool make);
