/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[4096];
static int directory_fd = -1;

/* Before each test, in its own process. */
static void make_directory(void)
{
	const char *parent = getenv("TMPDIR");

	(void)snprintf(directory, sizeof(directory), "%s/drover-unit-XXXXXX",
		parent ? parent : "/tmp");
	if (!mkdtemp(directory))
		abort();
	directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_directory(void)
{
	(void)close(directory_fd);
	(void)nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

const char *test_dir(void)
{
	return directory;
}

int test_dir_fd(void)
{
	return directory_fd;
}

Suite *suite_of(const char *name, const TTest *const *tests)
{
	Suite *made = suite_create(name);
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, make_directory, remove_directory);
	tcase_set_timeout(tcase, 60);
	for (; *tests; tests++)
		tcase_add_test(tcase, *tests);
	suite_add_tcase(made, tcase);
	return made;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
