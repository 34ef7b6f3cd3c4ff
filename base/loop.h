/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct sd_event_source;

/*
 * One thread, one event loop (sd-event). Sources are embedded in the object that owns them; a
 * callback finds its object by container_of(). A source that was never started, or was stopped,
 * is zero; stopping it again is harmless. Callbacks may stop and restart any source, their own
 * too, and never wait.
 */
struct loop;

int loop_new(struct loop **ret, struct error *err);
void loop_free(struct loop *loop);
void loop_freep(struct loop **loop);

/* Runs until loop_exit(); returns the code given there, or a negative errno. */
int loop_run(struct loop *loop, struct error *err);
void loop_exit(struct loop *loop, int code);

/*
 * For a program that waits in a loop of its own, for descriptors this one cannot watch: runs
 * what is due without waiting. Returns 1 if there may be more, 0 if nothing is due before
 * loop_fd() becomes readable, -ECANCELED after loop_exit(), or another negative errno with err
 * filled.
 */
int loop_turn(struct loop *loop, struct error *err);
int loop_fd(const struct loop *loop);

/* Readiness of a descriptor (EPOLLIN, EPOLLOUT, ...), level-triggered. The descriptor stays the
 * caller's. */
struct loop_io {
	struct sd_event_source *source;
	void (*on_ready)(struct loop_io *io, uint32_t revents);
};
int loop_io_start(struct loop *loop, struct loop_io *io, int fd, uint32_t events,
	void (*on_ready)(struct loop_io *io, uint32_t revents), struct error *err);
void loop_io_stop(struct loop_io *io);

/* Waits for other events from now on; only between start and stop. */
int loop_io_watch(struct loop_io *io, uint32_t events, struct error *err);

/* Fires once, behind the callbacks that are due already: whatever they left is done together.
 * Starting it again before that changes nothing. */
struct loop_later {
	struct sd_event_source *source;
	void (*on_turn)(struct loop_later *later);
};
int loop_later_start(struct loop *loop, struct loop_later *later,
	void (*on_turn)(struct loop_later *later), struct error *err);
void loop_later_stop(struct loop_later *later);

/* Fires each time when callbacks of other sources have run and none is due any more, before
 * the loop sleeps. */
struct loop_idle {
	struct sd_event_source *source;
	void (*on_idle)(struct loop_idle *idle);
};
int loop_idle_start(struct loop *loop, struct loop_idle *idle,
	void (*on_idle)(struct loop_idle *idle), struct error *err);
void loop_idle_stop(struct loop_idle *idle);

/* Fires once, `after_ms` from now by the boot clock: sleep counts. */
struct loop_timer {
	struct sd_event_source *source;
	void (*on_due)(struct loop_timer *timer);
};
int loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t after_ms,
	void (*on_due)(struct loop_timer *timer), struct error *err);
void loop_timer_stop(struct loop_timer *timer);

/* The end of a child of ours, once; it is reaped before the callback. `pidfd` is taken over and
 * closed at the end. */
struct loop_child {
	struct loop_io io;
	int pidfd;
	void (*on_exit)(struct loop_child *child, const siginfo_t *info);
};
int loop_child_start(struct loop *loop, struct loop_child *child, int pidfd,
	void (*on_exit)(struct loop_child *child, const siginfo_t *info), struct error *err);
void loop_child_stop(struct loop_child *child);

/* A signal, which is blocked from then on for ordinary delivery. */
struct loop_signal {
	struct sd_event_source *source;
	void (*on_signal)(struct loop_signal *signal, int number);
};
int loop_signal_start(struct loop *loop, struct loop_signal *signal, int number,
	void (*on_signal)(struct loop_signal *signal, int number), struct error *err);
void loop_signal_stop(struct loop_signal *signal);
