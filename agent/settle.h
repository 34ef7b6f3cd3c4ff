/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct switcher;

/* What the directories of an install shall show: owner, mode, time and attributes. */
enum settle {
	SETTLE_DONE,   /* as the revision wants them */
	SETTLE_UNDONE, /* as they were */
	SETTLE_OVER,   /* the times alone, which the removal of a stage has moved */
};

/* Goes on after a failure and reports the first one; directories that are gone need nothing. */
int settle_directories(struct switcher *switcher, enum settle settle, struct error *err);
