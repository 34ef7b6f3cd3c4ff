/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct loop {
	sd_event *event;
};

int loop_new(struct loop **ret, struct error *err)
{
	cleanup_with(loop_freep) struct loop *loop = xcalloc(1, sizeof(*loop));
	int r = sd_event_new(&loop->event);

	if (r < 0)
		return error_set(err, r, "cannot make an event loop: %m");
	*ret = take(&loop);
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	(void)sd_event_unref(loop->event);
	free(loop);
}

void loop_freep(struct loop **loop)
{
	loop_free(*loop);
}

int loop_run(struct loop *loop, struct error *err)
{
	int r = sd_event_loop(loop->event);

	return r < 0 ? error_set(err, r, "the event loop failed: %m") : r;
}

void loop_exit(struct loop *loop, int code)
{
	(void)sd_event_exit(
		loop->event, code); /* fails only in a forked child, which has no loop */
}

int loop_turn(struct loop *loop, struct error *err)
{
	int r;

	if (sd_event_get_state(loop->event) == SD_EVENT_FINISHED)
		return -ECANCELED;
	r = sd_event_prepare(loop->event);
	if (r == 0)
		r = sd_event_wait(loop->event, 0);
	if (r > 0)
		r = sd_event_dispatch(loop->event);
	if (r < 0)
		return error_set(err, r, "the event loop failed: %m");
	/* After the last dispatch r is 0, too. */
	return r > 0 || sd_event_get_state(loop->event) == SD_EVENT_FINISHED;
}

int loop_fd(const struct loop *loop)
{
	return sd_event_get_fd(loop->event);
}

static void drop_source(sd_event_source **source)
{
	*source = sd_event_source_disable_unref(*source);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct loop_io *io = userdata;

	(void)source;
	(void)fd;
	io->on_ready(io, revents);
	return 0;
}

int loop_io_start(struct loop *loop, struct loop_io *io, int fd, uint32_t events,
	void (*on_ready)(struct loop_io *io, uint32_t revents), struct error *err)
{
	int r;

	loop_io_stop(io);
	io->on_ready = on_ready;
	r = sd_event_add_io(loop->event, &io->source, fd, events, on_io, io);
	return r < 0 ? error_set(err, r, "cannot watch descriptor %d: %m", fd) : 0;
}

void loop_io_stop(struct loop_io *io)
{
	drop_source(&io->source);
}

int loop_io_watch(struct loop_io *io, uint32_t events, struct error *err)
{
	int r = sd_event_source_set_io_events(io->source, events);

	return r < 0 ? error_set(err, r, "cannot watch a descriptor: %m") : 0;
}

/* The source is kept, and switched on again: this may be wanted in every turn. */
static int on_later(sd_event_source *source, void *userdata)
{
	struct loop_later *later = userdata;

	(void)source;
	later->on_turn(later);
	return 0;
}

int loop_later_start(struct loop *loop, struct loop_later *later,
	void (*on_turn)(struct loop_later *later), struct error *err)
{
	int r = 0;

	later->on_turn = on_turn;
	if (!later->source)
		r = sd_event_add_defer(loop->event, &later->source, on_later, later);
	if (r >= 0)
		r = sd_event_source_set_enabled(later->source, SD_EVENT_ONESHOT);
	return r < 0 ? error_set(err, r, "cannot put off work of the event loop: %m") : 0;
}

void loop_later_stop(struct loop_later *later)
{
	drop_source(&later->source);
}

static int on_post(sd_event_source *source, void *userdata)
{
	struct loop_idle *idle = userdata;

	(void)source;
	idle->on_idle(idle);
	return 0;
}

int loop_idle_start(struct loop *loop, struct loop_idle *idle,
	void (*on_idle)(struct loop_idle *idle), struct error *err)
{
	int r;

	loop_idle_stop(idle);
	idle->on_idle = on_idle;
	r = sd_event_add_post(loop->event, &idle->source, on_post, idle);
	/* Behind all others: what is due at the same time belongs to the same turn. */
	if (r >= 0)
		r = sd_event_source_set_priority(idle->source, SD_EVENT_PRIORITY_IDLE);
	return r < 0 ? error_set(err, r, "cannot watch the end of turns: %m") : 0;
}

void loop_idle_stop(struct loop_idle *idle)
{
	drop_source(&idle->source);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct loop_timer *timer = userdata;

	(void)source;
	(void)usec;
	drop_source(&timer->source);
	timer->on_due(timer);
	return 0;
}

int loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t after_ms,
	void (*on_due)(struct loop_timer *timer), struct error *err)
{
	int r;

	loop_timer_stop(timer);
	timer->on_due = on_due;
	/* Accuracy 1 ms: deadlines are compared with what other processes measured. */
	r = sd_event_add_time_relative(loop->event, &timer->source, CLOCK_BOOTTIME,
		after_ms * 1000, 1000, on_time, timer);
	return r < 0 ? error_set(err, r, "cannot start a timer: %m") : 0;
}

void loop_timer_stop(struct loop_timer *timer)
{
	drop_source(&timer->source);
}

static void on_pidfd(struct loop_io *io, uint32_t revents)
{
	struct loop_child *child = container_of(io, struct loop_child, io);
	siginfo_t info = { 0 };

	(void)revents;
	if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) < 0)
		info.si_code = CLD_KILLED; /* not ours any more: gone is all we know */
	else if (info.si_pid == 0)
		return;
	loop_child_stop(child);
	child->on_exit(child, &info);
}

int loop_child_start(struct loop *loop, struct loop_child *child, int pidfd,
	void (*on_exit)(struct loop_child *child, const siginfo_t *info), struct error *err)
{
	child->pidfd = pidfd;
	child->on_exit = on_exit;
	return loop_io_start(loop, &child->io, pidfd, EPOLLIN, on_pidfd, err);
}

void loop_child_stop(struct loop_child *child)
{
	if (!child->io.source)
		return;
	loop_io_stop(&child->io);
	closep(&child->pidfd);
	child->pidfd = -1;
}

static int on_signalfd(
	sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct loop_signal *signal = userdata;

	(void)source;
	signal->on_signal(signal, (int)info->ssi_signo);
	return 0;
}

int loop_signal_start(struct loop *loop, struct loop_signal *signal, int number,
	void (*on_signal)(struct loop_signal *signal, int number), struct error *err)
{
	sigset_t mask;
	int r;

	signal->on_signal = on_signal;
	sigemptyset(&mask);
	sigaddset(&mask, number);
	(void)sigprocmask(
		SIG_BLOCK, &mask, NULL); /* fails only for an unknown first argument */
	r = sd_event_add_signal(loop->event, &signal->source, number, on_signalfd, signal);
	return r < 0 ? error_set(err, r, "cannot watch signal %s: %m", strsignal(number)) : 0;
}

void loop_signal_stop(struct loop_signal *signal)
{
	drop_source(&signal->source);
}
