/* SPDX-License-Identifier: Apache-2.0 */
#include "reactor.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

#define BATCH 256

struct reactor {
	int epoll_fd;
	bool stopped;
	uint64_t now_us;
	struct reactor_timer **heap; /* heap[1] is due first; heap[0] is not used */
	size_t n_timers;
	size_t heap_cap;
	struct epoll_event batch[BATCH];
	int n_batch;
	int next; /* of the batch */
};

static uint64_t boot_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail with this clock */
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int reactor_new(struct reactor **ret, struct error *err)
{
	cleanup_with(reactor_freep) struct reactor *reactor = xcalloc(1, sizeof(*reactor));

	reactor->now_us = boot_us();
	reactor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (reactor->epoll_fd < 0)
		return error_set(err, -errno, "cannot make an epoll descriptor: %m");
	*ret = take(&reactor);
	return 0;
}

void reactor_free(struct reactor *reactor)
{
	if (!reactor)
		return;
	if (reactor->epoll_fd >= 0)
		(void)close(reactor->epoll_fd);
	free(reactor->heap);
	free(reactor);
}

void reactor_freep(struct reactor **reactor)
{
	reactor_free(*reactor);
}

void reactor_stop(struct reactor *reactor)
{
	reactor->stopped = true;
}

uint64_t reactor_now_us(const struct reactor *reactor)
{
	return reactor->now_us;
}

int reactor_io_set(struct reactor *reactor, struct reactor_io *io, int fd, uint32_t events,
	void (*on_ready)(struct reactor_io *io, uint32_t events))
{
	struct epoll_event event = { .events = events, .data.ptr = io };
	int how = io->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	io->on_ready = on_ready;
	if (io->events == events)
		return 0;
	if (epoll_ctl(reactor->epoll_fd, how, fd, &event) < 0)
		return -errno;
	io->fd = fd;
	io->events = events;
	return 0;
}

void reactor_io_stop(struct reactor *reactor, struct reactor_io *io)
{
	if (!io->events)
		return;
	(void)epoll_ctl(reactor->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->events = 0;
	/* It may be among those that this turn has still to serve. */
	for (int i = reactor->next; i < reactor->n_batch; i++)
		if (reactor->batch[i].data.ptr == io)
			reactor->batch[i].data.ptr = NULL;
}

static void heap_put(struct reactor *reactor, size_t slot, struct reactor_timer *timer)
{
	reactor->heap[slot] = timer;
	timer->slot = slot;
}

static void heap_rise(struct reactor *reactor, struct reactor_timer *timer, size_t slot)
{
	while (slot > 1 && reactor->heap[slot / 2]->due_us > timer->due_us) {
		heap_put(reactor, slot, reactor->heap[slot / 2]);
		slot /= 2;
	}
	heap_put(reactor, slot, timer);
}

static void heap_sink(struct reactor *reactor, struct reactor_timer *timer, size_t slot)
{
	for (size_t child; (child = 2 * slot) <= reactor->n_timers; slot = child) {
		if (child < reactor->n_timers &&
			reactor->heap[child + 1]->due_us < reactor->heap[child]->due_us)
			child++;
		if (reactor->heap[child]->due_us >= timer->due_us)
			break;
		heap_put(reactor, slot, reactor->heap[child]);
	}
	heap_put(reactor, slot, timer);
}

void reactor_timer_set(struct reactor *reactor, struct reactor_timer *timer, uint64_t after_us,
	void (*on_due)(struct reactor_timer *timer))
{
	reactor_timer_stop(reactor, timer);
	timer->due_us = reactor->now_us + after_us;
	timer->on_due = on_due;
	reactor->n_timers++;
	xgrow(&reactor->heap, &reactor->heap_cap, reactor->n_timers);
	heap_rise(reactor, timer, reactor->n_timers);
}

void reactor_timer_stop(struct reactor *reactor, struct reactor_timer *timer)
{
	struct reactor_timer *last;
	size_t slot = timer->slot;

	if (slot == 0)
		return;
	timer->slot = 0;
	last = reactor->heap[reactor->n_timers--];
	if (last == timer)
		return;
	if (last->due_us < timer->due_us)
		heap_rise(reactor, last, slot);
	else
		heap_sink(reactor, last, slot);
}

static void serve_timers(struct reactor *reactor)
{
	while (reactor->n_timers > 0 && reactor->heap[1]->due_us <= reactor->now_us) {
		struct reactor_timer *timer = reactor->heap[1];

		reactor_timer_stop(reactor, timer);
		timer->on_due(timer);
	}
}

/* Milliseconds until the next timer, rounded up; -1 if there is none. */
static int patience_ms(const struct reactor *reactor)
{
	uint64_t due_us;

	if (reactor->n_timers == 0)
		return -1;
	due_us = reactor->heap[1]->due_us;
	if (due_us <= reactor->now_us)
		return 0;
	due_us = (due_us - reactor->now_us + 999) / 1000;
	return due_us > 60000 ? 60000 : (int)due_us;
}

int reactor_run(struct reactor *reactor, struct error *err)
{
	while (!reactor->stopped) {
		reactor->n_batch = epoll_wait(
			reactor->epoll_fd, reactor->batch, BATCH, patience_ms(reactor));
		if (reactor->n_batch < 0 && errno != EINTR)
			return error_set(err, -errno, "cannot wait for descriptors: %m");
		reactor->now_us = boot_us();
		for (reactor->next = 0; reactor->next < reactor->n_batch;) {
			struct epoll_event *event = &reactor->batch[reactor->next++];
			struct reactor_io *io = event->data.ptr;

			if (io)
				io->on_ready(io, event->events);
		}
		reactor->n_batch = 0;
		serve_timers(reactor);
	}
	return 0;
}
