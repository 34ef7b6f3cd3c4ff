/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct http_parser;

/*
 * What lines mean, for the parser. Each returns 0, or the status to refuse with after setting
 * parser->reason.
 */
int http_take_request_line(struct http_parser *parser);
int http_take_field_line(struct http_parser *parser, int is_trailer);
int http_take_head(struct http_parser *parser);     /* fills parser->request */
int http_take_trailers(struct http_parser *parser); /* and its trailers */
