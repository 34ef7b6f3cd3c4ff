/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/admin_key.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "unit.h"

static struct admin_key made;
static struct admin_key got;
static struct error err;

static int read_back(const char *text)
{
	cleanup_with(freep) char *path = path_join(test_dir(), "admin.json");

	ck_assert_int_eq(
		file_write_atomic(test_dir_fd(), "admin.json", text, strlen(text), 0600, &err),
		0);
	return admin_key_read(&got, path, &err);
}

START_TEST(a_key_looks_like_those_of_aws)
{
	struct admin_key other;

	ck_assert_int_eq(admin_key_make(&made, 1234, &err), 0);
	ck_assert_uint_eq(strlen(made.id), 20);
	ck_assert_int_eq(strncmp(made.id, "AKIA", 4), 0);
	ck_assert_uint_eq(strspn(made.id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 20);
	ck_assert_uint_eq(strlen(made.secret), 40);
	ck_assert_uint_eq(made.created_ms, 1234);
	ck_assert_int_eq(admin_key_make(&other, 1234, &err), 0);
	ck_assert_str_ne(made.id, other.id);
	ck_assert_str_ne(made.secret, other.secret);
}
END_TEST

START_TEST(a_key_survives_its_file)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	ck_assert_int_eq(admin_key_make(&made, 1790000000000, &err), 0);
	admin_key_format(&text, &made);
	ck_assert_int_eq(read_back(text.data), 0);
	ck_assert_str_eq(got.id, made.id);
	ck_assert_str_eq(got.secret, made.secret);
	ck_assert_uint_eq(got.created_ms, made.created_ms);
}
END_TEST

#define ID "AKIAABCDEFGHIJKLMNOP"
#define SECRET "0123456789012345678901234567890123456789"

START_TEST(files_of_another_form_are_refused)
{
	static const char *const texts[] = {
		"",
		"{}",
		"{\"AccessKeyId\": \"AKIA\", \"SecretAccessKey\": \"" SECRET
		"\", \"CreatedMs\": 1}",
		"{\"AccessKeyId\": \"" ID
		"\", \"SecretAccessKey\": \"short\", \"CreatedMs\": 1}",
		"{\"AccessKeyId\": \"" ID "\", \"SecretAccessKey\": \"" SECRET
		"\", \"CreatedMs\": -1}",
		"{\"AccessKeyId\": \"ASIAABCDEFGHIJKLMNOP\", \"SecretAccessKey\": \"" SECRET
		"\", \"CreatedMs\": 1}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		ck_assert_int_lt(read_back(texts[i]), 0);
		ck_assert_ptr_nonnull(strstr(err.text, "admin.json"));
	}
	ck_assert_int_eq(
		read_back("{\"AccessKeyId\": \"" ID "\", \"SecretAccessKey\": \"" SECRET
			  "\", \"CreatedMs\": 1}"),
		0);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_told_apart)
{
	cleanup_with(freep) char *path = path_join(test_dir(), "none.json");

	ck_assert_int_eq(admin_key_read(&got, path, &err), -ENOENT);
}
END_TEST

TESTS("controller/admin_key", a_key_looks_like_those_of_aws, a_key_survives_its_file,
	files_of_another_form_are_refused, a_file_that_is_not_there_is_told_apart)
