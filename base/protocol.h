/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What agents and controller have agreed on beyond AWS's protocol; doc/protocol.md describes
 * all of it. An agent of ours sends the header with every request of the command service;
 * without it the controller takes the agent for one of AWS's. The value is the highest version
 * that the agent understands: one of 1 to 999, in digits.
 */
#define PROTOCOL_AGENT_HEADER "X-Drover-Agent"
#define PROTOCOL_AGENT_VERSION 1

/* Envelope formats of a deployment specification: the PEM's label follows the format. */
#define PROTOCOL_FORMAT_AWS "PKCS7/JSON"
#define PROTOCOL_LABEL_AWS "PKCS7"
#define PROTOCOL_FORMAT_OURS "CMS/JSON"
#define PROTOCOL_LABEL_OURS "CMS"

/* An order is at most this long, as PEM. */
#define PROTOCOL_LIMIT_ORDER_BYTES (64 * 1024)
