/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "controller/backup_item.h"
#include "controller/settings.h"
#include "controller/workplace.h"

enum { BLOCK_BYTES = 64 * 1024 };

/*
 * The archive comes from outside, so that nothing of it is taken for a path: names are compared
 * with those that a backup has, everything else about an entry but its bytes is ignored, and
 * the bytes must be those that the index names.
 */
struct restore {
	const struct restore_request *request;
	int fd;
	struct archive *archive;
	json_t *index;
	size_t n_files; /* unpacked */
	struct workplace workplace;
	struct restore_result result;
};

void restore_result_done(struct restore_result *result)
{
	free(result->name);
	*result = (struct restore_result){ 0 };
}

static void restore_done(struct restore *restore)
{
	workplace_done(&restore->workplace);
	if (restore->archive)
		(void)archive_read_free(restore->archive);
	closep(&restore->fd);
	json_decref(restore->index);
	restore_result_done(&restore->result);
}

/* ---- the archive */

static int damaged(const struct restore *restore, struct error *err)
{
	const char *reason = archive_error_string(restore->archive);

	return error_set(err, -EBADMSG, "%s is no backup, or damaged: %s",
		restore->request->path, reason ? reason : "it ends too early");
}

static int open_archive(struct restore *restore, struct error *err)
{
	const char *path = restore->request->path;

	restore->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (restore->fd < 0)
		return error_set(err, -errno, "cannot open %s: %m", path);
	restore->archive = archive_read_new();
	if (!restore->archive ||
		archive_read_support_format_tar(restore->archive) != ARCHIVE_OK ||
		archive_read_open_fd(restore->archive, restore->fd, BLOCK_BYTES) != ARCHIVE_OK)
		return damaged(restore, err);
	return 0;
}

/* 1 and the entry, 0 at the end. */
static int next_entry(struct restore *restore, struct archive_entry **ret, struct error *err)
{
	int r = archive_read_next_header(restore->archive, ret);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK || !archive_entry_pathname(*ret))
		return damaged(restore, err);
	if (archive_entry_filetype(*ret) != AE_IFREG || archive_entry_hardlink(*ret))
		return error_set(err, -EBADMSG,
			"%s is no backup: it holds something else than files",
			restore->request->path);
	return 1;
}

static int read_all(struct restore *restore, struct buf *ret, size_t limit, struct error *err)
{
	char bytes[4096];
	la_ssize_t n;

	while ((n = archive_read_data(restore->archive, bytes, sizeof(bytes))) > 0) {
		if (ret->len + (size_t)n > limit)
			return error_set(err, -EBADMSG,
				"%s is no backup: " BACKUP_INDEX " is too long",
				restore->request->path);
		buf_append(ret, bytes, (size_t)n);
	}
	return n < 0 ? damaged(restore, err) : 0;
}

/* ---- the index */

static int take_index(struct restore *restore, struct error *err)
{
	int64_t format = 0;
	int64_t created_ms = 0;
	const char *name = "";
	int r = json_get_integer(restore->index, "Format", &format, err);

	if (r == 0 && format != BACKUP_FORMAT)
		return error_set(err, -ENOTSUP,
			"it has format %" PRId64
			", and this droverd knows %d: use the newer one",
			format, BACKUP_FORMAT);
	if (r == 0)
		r = json_get_integer(restore->index, "CreatedMs", &created_ms, err);
	if (r == 0)
		r = json_get_string(restore->index, "Name", &name, err);
	if (r == 0)
		r = json_find_bool(
			restore->index, "HoldsKeys", &restore->result.holds_keys, err);
	if (r == 0 &&
		(created_ms < 0 || !json_is_array(json_object_get(restore->index, "Files"))))
		r = error_set(err, -EBADMSG, "its index makes no sense");
	if (r < 0)
		return r;
	restore->result.created_ms = (uint64_t)created_ms;
	restore->result.name = xstrdup(name);
	return 0;
}

static int read_index(struct restore *restore, struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct archive_entry *entry;
	int r = next_entry(restore, &entry, err);

	if (r < 0)
		return r;
	if (r == 0 || strcmp(archive_entry_pathname(entry), BACKUP_INDEX) != 0)
		return error_set(err, -EBADMSG,
			"%s is no backup: it does not begin with " BACKUP_INDEX,
			restore->request->path);
	r = read_all(restore, &text, BACKUP_LIMIT_INDEX_BYTES, err);
	if (r < 0)
		return r;
	r = json_parse_object(&restore->index, text.data ? text.data : "", text.len, err);
	if (r == 0)
		r = take_index(restore, err);
	return r < 0 ? error_wrap(err, "%s", restore->request->path) : 0;
}

static const json_t *find_file(const struct restore *restore, const char *name)
{
	const json_t *files = json_object_get(restore->index, "Files");
	const json_t *file;
	size_t i;

	json_array_foreach(files, i, file)
	{
		const char *text = json_string_value(json_object_get(file, "Name"));

		if (text && strcmp(text, name) == 0)
			return file;
	}
	return NULL;
}

/* ---- the files */

/* Copies the entry's bytes; *ret_sha256 is their hash. */
static int copy_data(struct restore *restore, int fd, char ret_sha256[static DIGEST_HEX_SIZE],
	struct error *err)
{
	cleanup_with(digest_freep) struct digest *digest = digest_new();
	char bytes[BLOCK_BYTES];
	uint8_t value[DIGEST_BYTES];
	la_ssize_t n;
	int r = 0;

	while (r == 0 && (n = archive_read_data(restore->archive, bytes, sizeof(bytes))) != 0) {
		if (n < 0)
			return damaged(restore, err);
		digest_update(digest, bytes, (size_t)n);
		r = file_write_all(fd, bytes, (size_t)n);
	}
	explicit_bzero(bytes, sizeof(bytes));
	if (r < 0)
		return error_set(
			err, r, "cannot write into %s: %m", restore->request->directory);
	digest_finish(digest, value);
	digest_format(value, ret_sha256);
	return 0;
}

static int check_hash(const struct restore *restore, const json_t *file, const char *name,
	const char *sha256, struct error *err)
{
	const char *expected = "";
	int r = json_get_string(file, "Sha256", &expected, err);

	if (r < 0)
		return error_wrap(err, "%s", restore->request->path);
	if (strcmp(expected, sha256) != 0)
		return error_set(err, -EBADMSG, "%s is damaged: %s is not what was put in",
			restore->request->path, name);
	return 0;
}

static int unpack(struct restore *restore, const char *name, struct error *err)
{
	const json_t *file = find_file(restore, name);
	mode_t mode = strcmp(name, "ca.pem") == 0 ? 0644 : 0600;
	char sha256[DIGEST_HEX_SIZE];
	int fd;
	int r;

	if (!file || !backup_name_is_known(name))
		return error_set(err, -EBADMSG,
			"%s is no backup: it holds a file that none has",
			restore->request->path);
	fd = workplace_create(&restore->workplace, name, mode, err);
	if (fd < 0)
		return fd;
	r = copy_data(restore, fd, sha256, err);
	if (r == 0)
		r = check_hash(restore, file, name, sha256, err);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	restore->n_files++;
	return workplace_close(&restore->workplace, fd, name, err);
}

static int unpack_all(struct restore *restore, struct error *err)
{
	struct archive_entry *entry;
	int r;

	while ((r = next_entry(restore, &entry, err)) > 0) {
		cleanup_with(freep) char *name = xstrdup(archive_entry_pathname(entry));

		r = unpack(restore, name, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (restore->n_files != json_array_size(json_object_get(restore->index, "Files")) ||
		!find_file(restore, BACKUP_CONFIG))
		return error_set(err, -EBADMSG, "%s is damaged: files are missing",
			restore->request->path);
	return 0;
}

/* ---- what is to be done */

static void look_at(const struct restore *restore, const struct settings *settings,
	const struct backup_item *item, struct diagnostics *diagnostics)
{
	cleanup_with(freep) char *elsewhere = xasprintf(
		"%s/elsewhere/%s", settings->directory, item->setting);
	const char *path = backup_item_path(item, settings);

	if (file_exists(AT_FDCWD, elsewhere))
		diagnostics_add(diagnostics, SEVERITY_WARNING, elsewhere, 0, 0, "W-ELSEWHERE",
			"droverd.yml expects it at %s: put it there, or change %s", path,
			item->setting);
	else if (item->is_key && !item->is_optional && !restore->result.holds_keys)
		diagnostics_add(diagnostics, SEVERITY_ERROR, path, 0, 0, "E-MISSING",
			"is missing: this backup was made without keys");
}

static void look_around(const struct restore *restore, struct diagnostics *diagnostics)
{
	cleanup_with(freep) char *absolute = realpath(restore->request->directory, NULL);
	cleanup_with(freep) char *path = path_join(absolute ? absolute : "/", BACKUP_CONFIG);
	cleanup_with(settings_freep) struct settings *settings = NULL;
	struct error err = ERROR_NONE;

	if (settings_load(&settings, path, diagnostics, &err) < 0)
		return; /* the diagnostics say what is wrong */
	if (absolute && strcmp(settings->directory, absolute) != 0)
		diagnostics_add(diagnostics, SEVERITY_WARNING, path, 0, 0, "W-DIRECTORY",
			"names the directory %s, but the files are here: take the key "
			"\"directory\" out",
			settings->directory);
	for (size_t i = 0; i < n_backup_items; i++)
		look_at(restore, settings, &backup_items[i], diagnostics);
}

int restore_make(struct restore_result *ret, const struct restore_request *request,
	struct diagnostics *diagnostics, struct error *err)
{
	cleanup_with(restore_done) struct restore restore = { .request = request, .fd = -1 };
	int r = open_archive(&restore, err);

	if (r == 0)
		r = read_index(&restore, err);
	if (r == 0)
		r = workplace_open(&restore.workplace, request->directory, request->owner, err);
	if (r == 0)
		r = unpack_all(&restore, err);
	if (r == 0)
		r = workplace_commit(&restore.workplace, err);
	if (r < 0)
		return r;
	look_around(&restore, diagnostics);
	*ret = restore.result;
	restore.result = (struct restore_result){ 0 };
	return 0;
}
