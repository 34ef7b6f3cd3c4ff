/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct call;

/* What the sources of the operations on revisions share. */

void list_revisions(struct call *call); /* api_revision_list.c */
