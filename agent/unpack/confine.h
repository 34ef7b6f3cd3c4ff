/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * Locks this process into the directory it fills, for ever: root directory and working
 * directory there, no capabilities but CHOWN, FOWNER, FSETID and DAC_OVERRIDE, no way to new
 * ones, bounded memory, no core dumps, not to be traced, ended with its parent, and no system
 * calls but those that reading the archive and filling the directory need. Threads that exist
 * are confined too. To be called once, by root; on failure the process must not go on.
 */
int confine(int directory_fd, struct error *err);
