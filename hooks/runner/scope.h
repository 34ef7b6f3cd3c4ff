/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct buf;
struct request;

/*
 * Puts this process into a scope of its own below drover-hooks.slice, so that systemd counts
 * the script as no part of the agent, and makes the control group "script" inside for it.
 *
 * Returns the group's path, which the caller frees; or NULL where systemd is not the service
 * manager, or where it did not give a scope within 5 s: then `notes` says why.
 */
char *scope_enter(const struct request *request, struct buf *notes);
