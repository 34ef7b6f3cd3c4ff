/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/channel.h"

struct error;
struct loop;

/* The core's end of its channel to the parent (core.h). Embedded by its owner. */
struct parent;

struct parent_events {
	/* A door was started; its channel is the callee's. */
	void (*on_door)(struct parent *parent, int fd, bool is_local);
	/* -> parent_tell_reloaded() */
	void (*on_reload)(struct parent *parent);
	/* Answer what is parked, commit, and end; also if the parent is gone. Once. */
	void (*on_stop)(struct parent *parent);
};

struct parent {
	struct channel channel;
	const struct parent_events *events;
	uint64_t reload_id;
	bool stops;
};

/* Takes the descriptor over. Pings are answered from the loop, without further ado. */
int parent_start(struct parent *parent, struct loop *loop, int fd,
	const struct parent_events *events, struct error *err);
void parent_stop(struct parent *parent);

/* A parent that hears nothing any more is noticed by on_stop, not here. */
void parent_tell_ready(struct parent *parent);

/* One line for `systemctl status`; cut if it is too long. */
void parent_tell_status(struct parent *parent, const char *text);

/* `complaint`: what was not taken, and why; "" if all was. */
void parent_tell_reloaded(struct parent *parent, const char *complaint);
