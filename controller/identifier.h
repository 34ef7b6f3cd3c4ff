/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "controller/model.h"

/*
 * Names that the controller gives, by the kernel's random numbers: nobody can guess the next
 * one, and none is ever given twice in practice. Their forms are CodeDeploy's and IAM's.
 */
enum {
	SECRET_LENGTH = 40,
	HOST_SUFFIX_LENGTH = 10,
};

void identifier_make_uuid(char ret[static UUID_LENGTH + 1]);
void identifier_make_deployment(char ret[static DEPLOYMENT_ID_LENGTH + 1]);
void identifier_make_access_key(char ret[static ACCESS_KEY_LENGTH + 1]); /* "AKIA..." */
void identifier_make_secret(char ret[static SECRET_LENGTH + 1]);

/* What follows a host's name in its ARN, so that a name used again is another host. */
void identifier_make_host_suffix(char ret[static HOST_SUFFIX_LENGTH + 1]);

/* "d-" and nine upper-case letters or digits. */
bool identifier_is_deployment(const char *text);
