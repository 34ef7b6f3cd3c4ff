/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * Takes from this process, for good, what the core never needs: programs, sockets to any
 * network, other processes' memory; nobody may look into its own. What it opened stays open.
 */
int core_confine(struct error *err);
