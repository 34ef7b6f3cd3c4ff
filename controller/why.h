/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct call;

/*
 * Answers the operation Why: for a deployment ("deploymentId"), a host ("instanceName"), a
 * host's part in a deployment (both), or the controller (neither), the one reason why it waits,
 * failed or is not well: {"reason", "owner", "text", "remedy", "event", "deadline"} as
 * deployment_why.h has them, and "deploymentId" if a host is asked for that has a part in one.
 */
void why_answer(struct call *call);
