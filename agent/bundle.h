/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct error;
struct loop;

/*
 * A revision's bundle: a directory, or an archive that the executable drover-unpack opens up
 * for us, confined to the directory it fills. Neither libarchive nor the archive's bytes ever
 * meet this process.
 */
enum bundle_type {
	BUNDLE_AUTO,
	BUNDLE_DIRECTORY,
	BUNDLE_ZIP,
	BUNDLE_TAR,
	BUNDLE_TGZ,
	BUNDLE_TAR_ZST,
	BUNDLE_TAR_XZ
};

/* "directory", "zip", "tar", "tgz", "tar.zst", "tar.xz"; -EINVAL for others. */
int bundle_type_from_text(enum bundle_type *ret, const char *text);
const char *bundle_type_name(enum bundle_type type);

/* What an archive may amount to. */
struct bundle_limits {
	uint64_t entries;
	uint64_t bytes; /* unpacked */
	unsigned ratio; /* unpacked to packed, looked at above 64 MiB */
};
extern const struct bundle_limits bundle_default_limits;

struct bundle_request {
	const char *location;   /* absolute path of the archive or directory */
	enum bundle_type type;  /* AUTO: by content; for others a content that differs is an
				   error only if unreadable */
	const char *target_dir; /* absolute path of the directory to be made and filled;
				   replaced if there */
	const struct bundle_limits *limits; /* NULL: defaults */
};

struct bundle_progress {
	uint64_t entries;
	uint64_t bytes;       /* unpacked so far */
	uint64_t read_bytes;  /* of the archive, so far */
	uint64_t total_bytes; /* of the archive; 0 if unknown */
};

struct bundle_unpack;

struct bundle_callbacks {
	/* At most ten times a second; may be NULL. */
	void (*on_progress)(struct bundle_unpack *unpack,
		const struct bundle_progress *progress, void *userdata);
	/* A finding such as a dropped setuid bit; may be NULL. */
	void (*on_warning)(struct bundle_unpack *unpack, const char *text, void *userdata);
	/* Once: r is 0, or a negative errno with err filled and nothing left at target_dir. */
	void (*on_done)(
		struct bundle_unpack *unpack, int r, const struct error *err, void *userdata);
	void *userdata;
};

/*
 * Fills target_dir from the bundle in a child of ours: unpacked (or copied), one wrapping
 * directory stripped by the reference's rule, synced by nobody yet (the caller syncs the file
 * system before it relies on it). Returns 0 or a negative errno with err filled, in which case
 * no callback follows.
 */
int bundle_unpack_start(struct bundle_unpack **ret, struct loop *loop,
	const struct bundle_request *request, const struct bundle_callbacks *callbacks,
	struct error *err);

/* Ends the child if it still runs and removes what it left. */
void bundle_unpack_free(struct bundle_unpack *unpack);
void bundle_unpack_freep(struct bundle_unpack **unpack);
