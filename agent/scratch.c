/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

#include "agent/bundle.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/file.h"
#include "base/loop.h"

static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP };

static void ending_mask(sigset_t *mask)
{
	sigemptyset(mask);
	for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++)
		sigaddset(mask, ending_signals[i]);
}

int scratch_make(struct scratch *scratch, struct error *err)
{
	const char *parent = getenv("TMPDIR");
	cleanup_with(freep) char *path = path_join(
		parent && parent[0] == '/' ? parent : "/var/tmp", "drover-XXXXXX");
	sigset_t mask;

	ending_mask(&mask);
	(void)sigprocmask(
		SIG_BLOCK, &mask, NULL); /* fails only for an unknown first argument */
	if (!mkdtemp(path))
		return error_set(err, -errno, "cannot make a scratch directory %s: %m", path);
	scratch->path = take(&path);
	return 0;
}

void scratch_done(struct scratch *scratch)
{
	sigset_t mask;

	if (!scratch->path)
		return;
	(void)file_remove_tree(AT_FDCWD, scratch->path, NULL); /* nobody to tell any more */
	freep(&scratch->path);
	scratch->path = NULL;
	ending_mask(&mask);
	(void)sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

/* Unpacking in a loop of its own. */
struct unpacking;

struct ending {
	struct loop_signal source;
	struct unpacking *unpacking;
};

struct unpacking {
	struct loop *loop;
	struct diagnostics *problems;
	struct ending endings[ARRAY_SIZE(ending_signals)];
	int r;
	struct error error;
};

static void on_warning(struct bundle_unpack *unpack, const char *text, void *userdata)
{
	struct unpacking *unpacking = userdata;

	(void)unpack;
	diagnostics_add(
		unpacking->problems, SEVERITY_WARNING, NULL, 0, 0, "W-BUNDLE", "%s", text);
}

static void on_done(
	struct bundle_unpack *unpack, int r, const struct error *err, void *userdata)
{
	struct unpacking *unpacking = userdata;

	(void)unpack;
	unpacking->r = r;
	if (r < 0)
		unpacking->error = *err;
	loop_exit(unpacking->loop, 0);
}

/* Raised again, so that it ends us once the scratch directory is gone. */
static void on_ending_signal(struct loop_signal *source, int number)
{
	struct unpacking *unpacking = container_of(source, struct ending, source)->unpacking;

	loop_signal_stop(source);
	(void)raise(number);
	unpacking->r = error_set(&unpacking->error, -EINTR, "interrupted");
	loop_exit(unpacking->loop, 0);
}

static int run(struct unpacking *unpacking, const struct bundle_request *request)
{
	cleanup_with(bundle_unpack_freep) struct bundle_unpack *unpack = NULL;
	const struct bundle_callbacks callbacks = {
		.on_warning = on_warning,
		.on_done = on_done,
		.userdata = unpacking,
	};
	struct error *err = &unpacking->error;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ending_signals) && r == 0; i++) {
		unpacking->endings[i].unpacking = unpacking;
		r = loop_signal_start(unpacking->loop, &unpacking->endings[i].source,
			ending_signals[i], on_ending_signal, err);
	}
	if (r == 0)
		r = bundle_unpack_start(&unpack, unpacking->loop, request, &callbacks, err);
	if (r == 0)
		r = loop_run(unpacking->loop, err);
	return r < 0 ? r : unpacking->r;
}

int scratch_unpack(
	const struct bundle_request *request, struct diagnostics *problems, struct error *err)
{
	cleanup_with(loop_freep) struct loop *loop = NULL;
	struct unpacking unpacking = { .problems = problems };
	int r = loop_new(&loop, err);

	if (r < 0)
		return r;
	unpacking.loop = loop;
	r = run(&unpacking, request);
	for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++)
		loop_signal_stop(&unpacking.endings[i].source);
	if (r < 0 && err)
		*err = unpacking.error;
	return r;
}
