/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;

/*
 * What an archive says about an entry, judged before anything is done about it. Pure functions
 * of bytes: a name is any byte string without NUL; "/" separates; nothing is looked up.
 *
 * The refusals come as a literal that goes into a sentence after the entry's name: "entry
 * 'NAME' REASON".
 */
enum {
	ENTRY_PATH_MAX = 3840, /* bytes; leaves room under PATH_MAX for the directory before */
	ENTRY_NAME_MAX = 255,
	ENTRY_TARGET_MAX = 4095
};

/*
 * The entry's place below the bundle's root, with "./", "//" and a slash at the end taken away;
 * "" is the root itself. Returns NULL, or why the name is refused: it is empty, absolute, has a
 * ".." or is too long.
 */
const char *entry_path_normalise(char ret[static ENTRY_PATH_MAX + 1], const char *name);

/* What a symbolic link that may be allowed still needs. */
struct entry_link {
	/* ".." after a name: where that leads depends on what else the archive holds. */
	bool needs_look;
	/* It passes through the bundle's root, which is no root any more once a wrapping
	 * directory is taken off. */
	bool visits_root;
};

/*
 * Judges a symbolic link at the normalised `path` by its target, lexically. Returns NULL, or
 * why it is refused: the target is empty, too long, absolute or leads out of the bundle.
 */
const char *entry_link_judge(struct entry_link *ret, const char *path, const char *target);

/* Appends a name for people: what is not printable UTF-8 as \xNN, cut after 200 bytes. */
void entry_append_printable(struct buf *ret, const char *name);
