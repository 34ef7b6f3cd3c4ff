/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;

/*
 * One thread, one epoll, timers in a heap. base/loop.h would do as well for a thousand hosts;
 * here the simulated fleet shares a machine with the controller it measures, so a turn serves
 * all ready descriptors with one system call.
 *
 * Sources are embedded in their owners and zero while they are not in use. Callbacks may stop
 * and free any source, their own too.
 */
struct reactor;

int reactor_new(struct reactor **ret, struct error *err);
void reactor_free(struct reactor *reactor);
void reactor_freep(struct reactor **reactor);

/* Runs until reactor_stop(). */
int reactor_run(struct reactor *reactor, struct error *err);
void reactor_stop(struct reactor *reactor);

/* Microseconds of the boot clock, read once a turn. */
uint64_t reactor_now_us(const struct reactor *reactor);

/* Readiness of a descriptor, level-triggered. The descriptor stays the caller's, who stops the
 * source before closing it. */
struct reactor_io {
	int fd;
	uint32_t events; /* 0: not watched */
	void (*on_ready)(struct reactor_io *io, uint32_t events);
};
/* Starts, or changes what is waited for. Returns 0 or a negative errno. */
int reactor_io_set(struct reactor *reactor, struct reactor_io *io, int fd, uint32_t events,
	void (*on_ready)(struct reactor_io *io, uint32_t events));
void reactor_io_stop(struct reactor *reactor, struct reactor_io *io);

/* Fires once. Setting it again moves it. */
struct reactor_timer {
	uint64_t due_us;
	size_t slot; /* place in the heap, from 1; 0: not set */
	void (*on_due)(struct reactor_timer *timer);
};
void reactor_timer_set(struct reactor *reactor, struct reactor_timer *timer, uint64_t after_us,
	void (*on_due)(struct reactor_timer *timer));
void reactor_timer_stop(struct reactor *reactor, struct reactor_timer *timer);
