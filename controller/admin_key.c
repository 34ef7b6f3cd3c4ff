/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/admin_key.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

enum { LIMIT_FILE_BYTES = 4096 };

static const char id_prefix[] = "AKIA";
static const char id_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char secret_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Both alphabets' lengths are powers of two, so that no letter is likelier than another. */
static int fill_random(char *ret, size_t n, const char *alphabet, struct error *err)
{
	unsigned char bytes[ADMIN_KEY_SECRET_LENGTH];
	size_t n_letters = strlen(alphabet);

	/* Up to 256 bytes come whole. */
	if (getrandom(bytes, n, 0) != (ssize_t)n)
		return error_set(err, -errno, "cannot get random bytes: %m");
	for (size_t i = 0; i < n; i++)
		ret[i] = alphabet[bytes[i] % n_letters];
	ret[n] = '\0';
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

int admin_key_make(struct admin_key *ret, uint64_t now_ms, struct error *err)
{
	size_t n = strlen(id_prefix);
	int r;

	memcpy(ret->id, id_prefix, n);
	ret->created_ms = now_ms;
	r = fill_random(ret->id + n, ADMIN_KEY_ID_LENGTH - n, id_alphabet, err);
	if (r == 0)
		r = fill_random(ret->secret, ADMIN_KEY_SECRET_LENGTH, secret_alphabet, err);
	return r;
}

void admin_key_format(struct buf *ret, const struct admin_key *key)
{
	/* Nothing in it needs escaping. */
	buf_printf(ret,
		"{\"AccessKeyId\": \"%s\", \"SecretAccessKey\": \"%s\", \"CreatedMs\": %" PRIu64
		"}\n",
		key->id, key->secret, key->created_ms);
}

static int copy_text(char *ret, size_t length, const char *text, const char *alphabet,
	const char *member, struct error *err)
{
	if (strlen(text) != length || strspn(text, alphabet) != length)
		return error_set(
			err, -EINVAL, "%s is not %zu of the letters allowed", member, length);
	memcpy(ret, text, length + 1);
	return 0;
}

static int read_members(struct admin_key *ret, const json_t *object, struct error *err)
{
	const char *id;
	const char *secret;
	int64_t created_ms;
	int r;

	r = json_get_string(object, "AccessKeyId", &id, err);
	if (r == 0)
		r = json_get_string(object, "SecretAccessKey", &secret, err);
	if (r == 0)
		r = json_get_integer(object, "CreatedMs", &created_ms, err);
	if (r == 0 && (created_ms < 0 || strncmp(id, id_prefix, strlen(id_prefix)) != 0))
		r = error_set(err, -EINVAL, "CreatedMs or AccessKeyId is out of range");
	if (r == 0)
		r = copy_text(
			ret->id, ADMIN_KEY_ID_LENGTH, id, id_alphabet, "AccessKeyId", err);
	if (r == 0)
		r = copy_text(ret->secret, ADMIN_KEY_SECRET_LENGTH, secret, secret_alphabet,
			"SecretAccessKey", err);
	if (r == 0)
		ret->created_ms = (uint64_t)created_ms;
	return r;
}

int admin_key_read(struct admin_key *ret, const char *path, struct error *err)
{
	cleanup_with(json_decrefp) json_t *object = NULL;
	int r = json_read_file(&object, AT_FDCWD, path, LIMIT_FILE_BYTES, err);

	if (r < 0)
		return r;
	r = read_members(ret, object, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}
