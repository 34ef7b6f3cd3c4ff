/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct error;

/*
 * What the hosts saw and did, one JSON object a line, for tests to judge: "at" (seconds since
 * 1970), "host", "what", and where they apply "event", "deployment", "command", "revision",
 * "detail".
 */
struct record {
	FILE *file; /* NULL: nothing is kept */
};

int record_open(struct record *record, const char *path, struct error *err);
void record_done(struct record *record);
/* Hands what is buffered to the kernel, for those who follow the file. */
void record_flush(struct record *record);

struct record_line {
	const char *host;
	const char *what;
	/* NULL: left out */
	const char *event, *deployment, *command, *revision, *detail;
};
void record_write(struct record *record, const struct record_line *line);

/* How long something took, many times over. */
struct durations {
	uint32_t *us;
	size_t n;
	size_t cap;
};
void durations_add(struct durations *durations, uint64_t us);
/* 0 <= share <= 1; sorts. 0 if there is none. */
uint32_t durations_quantile(struct durations *durations, double share);
void durations_done(struct durations *durations);
