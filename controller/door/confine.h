/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * Locks this process in, for ever: no file can be opened, no socket made or connected, nothing
 * executed; no other process traced, read, signalled or asked for a descriptor; no new
 * privileges, no core dumps, not to be traced, ended with its parent. What it holds is all it
 * will ever have: the descriptors given to it, and what accept() returns. On failure the
 * process must not go on. A kernel without Landlock is confined by the rest.
 */
int confine(struct error *err);
