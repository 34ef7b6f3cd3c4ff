/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct deployment_notice;
struct report;

/* One object a line on standard output; drover-agent(8) documents the members. */
void report_json_notice(const struct report *report, const struct deployment_notice *notice);
void report_json_note(const char *text);
