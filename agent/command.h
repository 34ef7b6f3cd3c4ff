/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct options;

/* The verbs of drover-agent, one a file, and codedeploy-local. Each returns the exit status. */
int command_deploy(const struct options *options);
int command_plan(const struct options *options);
int command_redeploy(const struct options *options);
int command_rollback(const struct options *options);
int command_check(const struct options *options);
int command_status(const struct options *options);
int command_forget(const struct options *options);
int command_local(const struct options *options);
