/* SPDX-License-Identifier: Apache-2.0 */
#include "agenda.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"

void agenda_init(struct agenda *agenda, uint32_t n_speakers)
{
	*agenda = (struct agenda){
		.heap = xcalloc((size_t)n_speakers + 1, sizeof(*agenda->heap)),
		.place = xcalloc((size_t)n_speakers + 1, sizeof(*agenda->place)),
		.at_ms = xcalloc((size_t)n_speakers + 1, sizeof(*agenda->at_ms)),
	};
}

void agenda_done(struct agenda *agenda)
{
	free(agenda->heap);
	free(agenda->place);
	free(agenda->at_ms);
}

static bool is_before(const struct agenda *agenda, uint32_t a, uint32_t b)
{
	if (agenda->at_ms[a] != agenda->at_ms[b])
		return agenda->at_ms[a] < agenda->at_ms[b];
	return a < b;
}

static void put(struct agenda *agenda, uint32_t at, uint32_t speaker)
{
	agenda->heap[at] = speaker;
	agenda->place[speaker] = at + 1;
}

static void settle(struct agenda *agenda, uint32_t at, uint32_t speaker)
{
	while (at > 0 && is_before(agenda, speaker, agenda->heap[(at - 1) / 2])) {
		put(agenda, at, agenda->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < agenda->n &&
			is_before(agenda, agenda->heap[child + 1], agenda->heap[child]))
			child++;
		if (child >= agenda->n || !is_before(agenda, agenda->heap[child], speaker))
			break;
		put(agenda, at, agenda->heap[child]);
		at = child;
	}
	put(agenda, at, speaker);
}

static void take_away(struct agenda *agenda, uint32_t speaker)
{
	uint32_t at = agenda->place[speaker] - 1;
	uint32_t last = agenda->heap[--agenda->n];

	agenda->place[speaker] = 0;
	if (last != speaker)
		settle(agenda, at, last);
}

void agenda_set(struct agenda *agenda, uint32_t speaker, uint64_t at_ms)
{
	agenda->at_ms[speaker] = at_ms;
	if (at_ms == 0) {
		if (agenda->place[speaker] > 0)
			take_away(agenda, speaker);
	} else if (agenda->place[speaker] > 0) {
		settle(agenda, agenda->place[speaker] - 1, speaker);
	} else {
		agenda->n++;
		settle(agenda, agenda->n - 1, speaker);
	}
}

uint64_t agenda_first(const struct agenda *agenda, uint32_t *ret_speaker)
{
	if (agenda->n == 0)
		return UINT64_MAX;
	*ret_speaker = agenda->heap[0];
	return agenda->at_ms[agenda->heap[0]];
}
