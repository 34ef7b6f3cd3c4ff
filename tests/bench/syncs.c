/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syncs DIRECTORY FSYNCS SYNCFS: prints how many milliseconds so many syncs take here, each
 * after a small change: the price of durability that no program can avoid once it decides for
 * so many.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void change_and_sync(int dirfd, int number, int (*sync_it)(int))
{
	static char block[4096];
	char name[32];
	int fd;

	(void)snprintf(name, sizeof(name), "sync-%d", number);
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, block, sizeof(block)) != (ssize_t)sizeof(block) ||
		sync_it(fd) < 0)
		err(1, "%s", name);
	(void)close(fd);
}

int main(int argc, char **argv)
{
	double start;
	int dirfd;

	if (argc != 4)
		errx(2, "usage: syncs DIRECTORY FSYNCS SYNCFS");
	dirfd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		err(1, "%s", argv[1]);
	start = now_ms();
	for (int i = 0; i < (int)strtol(argv[2], NULL, 10); i++)
		change_and_sync(dirfd, i, fsync);
	for (int i = 0; i < (int)strtol(argv[3], NULL, 10); i++)
		change_and_sync(dirfd, i, syncfs);
	(void)printf("%.3f\n", now_ms() - start);
	return EXIT_SUCCESS;
}
