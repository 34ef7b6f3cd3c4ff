/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct settings;

/*
 * A door as the core knows it. The local one holds the unix sockets and no other listener:
 * nobody reaches it from the network, so its word on which user is at the other end counts. No
 * other door's does, or whoever takes one could say that it speaks for root.
 */
struct core_door {
	int fd; /* channel (exchange.h) */
	bool is_local;
};

/*
 * The core: the one process that owns state, keys and database. The parent (service.h) forks
 * it, and speaks with it over a channel (base/channel.h) with the messages below. It has no
 * other descriptor but this channel, those to the doors, and standard error.
 */
struct core_start {
	struct settings *settings; /* the core's own copy */
	int channel_fd;            /* to the parent; its end is the end of the core */
	const struct core_door *doors;
	size_t n_doors;
};

/*
 * Runs until the parent says stop, or is gone. Takes the descriptors over. The result is the
 * exit status: 0 after a stop; else the reason was logged.
 */
int core_main(struct core_start *start);

/* Between parent and core. The ids are the sender's, and come back in the answer. */
enum service_message {
	/* To the core. */
	SERVICE_DOOR = 1,   /* a door was started: its channel comes along; no payload */
	SERVICE_LOCAL_DOOR, /* the same, of the local one */
	SERVICE_RELOAD,     /* read settings, certificates and keys anew; -> SERVICE_RELOADED */
	SERVICE_PING,       /* -> SERVICE_PONG, from the loop: it turns */
	SERVICE_STOP,       /* answer parked polls, commit, send what is left, exit with 0 */

	/* To the parent. */
	SERVICE_READY,    /* requests are served from now on; no payload */
	SERVICE_STATUS,   /* payload: one line for `systemctl status` */
	SERVICE_RELOADED, /* payload: "" or a sentence that says what was not taken */
	SERVICE_PONG,
};

enum {
	SERVICE_LIMIT_BYTES = 4096, /* of a payload */
	/* From SERVICE_STOP to exit; then the core is killed. */
	SERVICE_STOP_MS = 1500,
};
