/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Release bound to the scope: `cleanup_with(closep) int fd = -1;`. Initialise at the
 * declaration; hand the object on with take() or take_fd(), after which the scope releases
 * nothing.
 */
#define cleanup_with(function) __attribute__((cleanup(function)))

#define take(pointer)                                                                          \
	({                                                                                     \
		__auto_type take_from_ = (pointer);                                            \
		__auto_type take_value_ = *take_from_;                                         \
		*take_from_ = NULL;                                                            \
		take_value_;                                                                   \
	})

static inline int take_fd(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

/* All of these keep errno, so that they may run between a failure and its report. */
static inline void freep(void *pointer)
{
	int saved = errno;

	free(*(void **)pointer);
	errno = saved;
}

static inline void closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd); /* nothing to be done about it; writers sync before */
	errno = saved;
}

static inline void closedirp(DIR **dir)
{
	int saved = errno;

	if (*dir)
		(void)closedir(*dir);
	errno = saved;
}

#define container_of(pointer, type, member)                                                    \
	((type *)(void *)((char *)(1 ? (pointer) : &((type *)0)->member) -                     \
			  offsetof(type, member)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
