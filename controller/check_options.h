/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "controller/check.h"
#include "controller/model.h"

/*
 * Options that a group and a deployment both may set. Each returns the member as given,
 * borrowed from the input, or NULL if it is absent or its check failed.
 */

/*
 * "autoRollbackConfiguration" of the input. Enabled without events, or an unknown event:
 * InvalidAutoRollbackConfigException; not enabled it may be empty. *ret is all false if it is
 * absent.
 */
const json_t *check_auto_rollback(struct check *check, struct auto_rollback *ret);

/*
 * The alarms in `member` of the input: enabled with an empty list, a name that is empty, too
 * long or given twice is an InvalidAlarmConfigException.
 */
const json_t *check_alarms(struct check *check, const char *member);

enum { ALARMS_LIMIT = 50, ALARM_NAME_LENGTH = 255 };
