/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure [--pss] FILE COMMAND [ARGUMENT...]: runs a command and writes to FILE, in one line,
 *   wall time (ms, until the command ended), CPU time (ms, user and system, of it and all its
 *   descendants, also those that it left behind), the peak of their summed proportional set
 *   sizes (KiB; 0 without --pss), and its exit status.
 *
 * Sampling memory costs time, so times are to be taken from runs without --pss.
 */
#include <dirent.h>
#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_US 5000
#define LEFT_BEHIND_S 20 /* how long orphans may run on */

static double now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double cpu_ms(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_CHILDREN, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static unsigned long pss_of(int pid)
{
	unsigned long pss = 0;
	char path[64], line[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	file = fopen(path, "re");
	while (file && pss == 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, "Pss:", 4) == 0)
			pss = strtoul(line + 4, NULL, 10);
	if (file)
		(void)fclose(file);
	return pss;
}

/* The summed size of all descendants of a process, in KiB. */
static unsigned long pss_below(int pid)
{
	unsigned long sum = 0;
	char path[64], text[4096], *at = text, *end;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	(void)fclose(file);
	for (long child = strtol(at, &end, 10); end != at; child = strtol(at = end, &end, 10))
		sum += pss_of((int)child) + pss_below((int)child);
	return sum;
}

static int wait_sampling(pid_t command, unsigned long *peak_kib)
{
	int status;

	while (waitpid(command, &status, WNOHANG) == 0) {
		unsigned long kib = pss_below(getpid());

		if (kib > *peak_kib)
			*peak_kib = kib;
		(void)usleep(SAMPLE_US);
	}
	return status;
}

/* What the command left behind counts as well, as long as it ends. */
static void wait_for_orphans(void)
{
	(void)alarm(LEFT_BEHIND_S);
	while (wait(NULL) > 0)
		continue;
	(void)alarm(0);
}

static void on_alarm(int number)
{
	(void)number;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	bool pss = argc > 1 && strcmp(argv[1], "--pss") == 0;
	unsigned long peak_kib = 0;
	double start, wall;
	int status;
	pid_t pid;
	FILE *out;

	argc -= pss;
	argv += pss;
	if (argc < 3)
		errx(2, "usage: measure [--pss] FILE COMMAND [ARGUMENT...]");
	out = fopen(argv[1], "we");
	if (!out || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		err(2, "%s", argv[1]);
	(void)sigaction(SIGALRM, &action, NULL);
	start = now_ms();
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (pid == 0) {
		(void)execvp(argv[2], argv + 2);
		err(127, "%s", argv[2]);
	}
	if (pss)
		status = wait_sampling(pid, &peak_kib);
	else
		(void)waitpid(pid, &status, 0);
	wall = now_ms() - start;
	wait_for_orphans();
	(void)fprintf(out, "%.3f %.3f %lu %d\n", wall, cpu_ms(), peak_kib,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return fclose(out) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
