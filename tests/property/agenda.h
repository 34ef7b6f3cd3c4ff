/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/*
 * Who speaks next: numbered speakers, each with at most one time, the earliest first and of
 * equal ones the lowest number. A binary heap, so that a step costs little over a hundred
 * thousand of them.
 */
struct agenda {
	uint32_t *heap;
	uint32_t *place; /* by speaker: 1 more than its place; 0: not there */
	uint64_t *at_ms; /* by speaker */
	uint32_t n;
};

void agenda_init(struct agenda *agenda, uint32_t n_speakers);
void agenda_done(struct agenda *agenda);

/* Sets or moves a speaker's time; 0 takes it away. */
void agenda_set(struct agenda *agenda, uint32_t speaker, uint64_t at_ms);

/* The time of the first, UINT64_MAX if there is none; then *ret_speaker is not set. */
uint64_t agenda_first(const struct agenda *agenda, uint32_t *ret_speaker);
