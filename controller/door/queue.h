/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Those who wait for the same length of time, in the order in which they began: whose time is
 * up stands first. Every operation takes constant time.
 */
struct queue_link {
	struct queue_link *next;
	struct queue_link *previous;
	uint64_t since_ms;
};

struct queue {
	struct queue_link *first;
	struct queue_link *last;
	size_t n;
};

static inline void queue_add(struct queue *queue, struct queue_link *link, uint64_t now_ms)
{
	link->since_ms = now_ms;
	link->next = NULL;
	link->previous = queue->last;
	if (queue->last)
		queue->last->next = link;
	else
		queue->first = link;
	queue->last = link;
	queue->n++;
}

static inline void queue_remove(struct queue *queue, struct queue_link *link)
{
	if (link->next)
		link->next->previous = link->previous;
	else
		queue->last = link->previous;
	if (link->previous)
		link->previous->next = link->next;
	else
		queue->first = link->next;
	queue->n--;
}

/* Takes out who stands first, or NULL. */
static inline struct queue_link *queue_take(struct queue *queue)
{
	struct queue_link *link = queue->first;

	if (!link)
		return NULL;
	queue->first = link->next;
	if (queue->first)
		queue->first->previous = NULL;
	else
		queue->last = NULL;
	queue->n--;
	return link;
}
