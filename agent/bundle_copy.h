/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * Copies the tree below one directory into another, empty one, with modes (but setuid and
 * setgid bits), owners, times, extended attributes and ACLs; links stay links, files of several
 * names become files of their own. Neither tree is left through a link. Owners are kept only if
 * we are root. Progress and warnings go to control_fd (agent/unpack/message.h).
 *
 * To be run in a child: it takes its time.
 */
int bundle_copy(int from_fd, int to_fd, int control_fd, struct error *err);
