/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;
struct settings;

/*
 * `droverd run`: the parent of core and doors. It owns the listeners and neither key nor
 * database. A door that ends is started again, and so is everything if the core ends; the
 * listeners stay open meanwhile, so that clients wait rather than fail.
 *
 * Run by root for a directory that belongs to another user, it becomes that user once the
 * listeners are open.
 *
 * Returns the exit status once it was told to end (SIGTERM, SIGINT), or once the core ended
 * before it had ever been ready, which it has said why. A negative errno with err filled if it
 * could not begin. `settings` are borrowed.
 */
int service_run(struct settings *settings, struct error *err);
