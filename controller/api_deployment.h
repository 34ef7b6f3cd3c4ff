/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct call;

/* What the sources of the operations on deployments share. */

void create_deployment(struct call *call); /* api_deployment_create.c */
void list_deployments(struct call *call);  /* api_deployment_list.c */
