/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "controller/core.h"
#include "controller/parent.h"

/*
 * A core without an API: it is ready, heeds its parent, and holds the doors' channels without
 * a word. The process around it can be run and tested by it.
 */
struct core {
	struct loop *loop;
	struct parent parent;
};

static void on_door(struct parent *parent, int fd, bool is_local)
{
	(void)parent;
	(void)is_local;
	(void)fd; /* open until the core ends */
}

static void on_reload(struct parent *parent)
{
	parent_tell_reloaded(parent, "");
}

static void on_stop(struct parent *parent)
{
	loop_exit(container_of(parent, struct core, parent)->loop, EXIT_SUCCESS);
}

static const struct parent_events events = {
	.on_door = on_door,
	.on_reload = on_reload,
	.on_stop = on_stop,
};

int core_main(struct core_start *start)
{
	struct core core = { 0 };
	struct error err = ERROR_NONE;
	int r = loop_new(&core.loop, &err);

	if (r == 0)
		r = parent_start(&core.parent, core.loop, start->channel_fd, &events, &err);
	if (r == 0) {
		parent_tell_ready(&core.parent);
		r = loop_run(core.loop, &err);
	}
	parent_stop(&core.parent);
	loop_free(core.loop);
	if (r < 0)
		log_error("core: %s", err.text);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
