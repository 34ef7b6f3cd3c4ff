/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct call;

/*
 * Answers the operation Why: for a deployment ("deploymentId"), a host ("instanceName"), a
 * host's part in a deployment (both), or the controller (neither), the one reason why it waits,
 * failed or was skipped, who has to do something, until when it waits, and the remedy.
 */
void why_answer(struct call *call);
