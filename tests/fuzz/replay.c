/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for the fuzzing engine: runs every file of a corpus directory through the target,
 * so that what was found once is tested by every compiler. Prints one line of TAP.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static void replay(const char *path)
{
	FILE *stream = fopen(path, "rbe");
	struct stat st;
	uint8_t *data;

	if (!stream || fstat(fileno(stream), &st) < 0)
		die(path);
	/* Exactly as large as the input, so that a sanitizer sees the first byte read too far.
	 */
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	if (!data || fread(data, 1, (size_t)st.st_size, stream) != (size_t)st.st_size)
		die(path);
	(void)LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
	(void)fclose(stream);
}

int main(int argc, char **argv)
{
	struct dirent **entries = NULL;
	size_t n_inputs = 0;
	char path[4096];
	int n;

	if (argc != 2)
		die("a corpus directory is needed");
	n = scandir(argv[1], &entries, NULL, alphasort);
	if (n < 0)
		die(argv[1]);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.') {
			(void)snprintf(
				path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
			replay(path);
			n_inputs++;
		}
		free(entries[i]);
	}
	free(entries);
	(void)printf(
		"%sok 1 - %zu inputs of %s\n1..1\n", n_inputs ? "" : "not ", n_inputs, argv[1]);
	return n_inputs ? EXIT_SUCCESS : EXIT_FAILURE;
}
