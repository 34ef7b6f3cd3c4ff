/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Characters and small forms of RFC 9110 and RFC 3986, for parser and formatter. */

bool http_is_token_char(char c); /* RFC 9110, 5.6.2 */
bool http_is_token(const char *text, size_t n);
bool http_is_field_char(char c); /* visible, blank, tab or above ASCII: RFC 9110, 5.5 */

/* Path characters of RFC 3986, 3.3 with '/', and '?' for queries; escapes must be whole. */
bool http_is_path(const char *text, size_t n);
bool http_is_query(const char *text, size_t n);

/* uri-host [":" port] of RFC 9110, 7.2, neither part empty. */
bool http_is_authority(const char *text, size_t n);

/* Whether a list of tokens such as Connection's has this one. */
bool http_list_has(const char *list, const char *token);
