/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/message.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"

enum { ERRNO_MAX = 4095 };

/* Control characters and bytes that are no UTF-8 would reach a terminal: each becomes '?'. */
static void copy_printable(char *ret, const char *text, size_t n)
{
	size_t length;

	for (size_t at = 0; at < n; at += length) {
		unsigned char byte = (unsigned char)text[at];

		length = utf8_length(text + at, n - at);
		if (length == 0 || byte < 0x20 || byte == 0x7f ||
			(length == 2 && byte == 0xc2 && (unsigned char)text[at + 1] < 0xa0)) {
			length = 1;
			*ret++ = '?';
		} else {
			memcpy(ret, text + at, length);
			ret += length;
		}
	}
	*ret = '\0';
}

static int parse_progress(struct message *ret, const char *data, size_t n)
{
	if (n != sizeof(ret->progress))
		return -EBADMSG;
	memcpy(&ret->progress, data, n);
	return 0;
}

static int parse_result(struct message *ret, const char *data, size_t n)
{
	if (n < sizeof(ret->result))
		return -EBADMSG;
	memcpy(&ret->result, data, sizeof(ret->result));
	if (ret->result.r > 0 || ret->result.r < -ERRNO_MAX || ret->result.wrapped > 1)
		return -EBADMSG;
	copy_printable(ret->text, data + sizeof(ret->result), n - sizeof(ret->result));
	return 0;
}

int message_parse(struct message *ret, const char *data, size_t n)
{
	struct message_header header;
	int r = 0;

	if (n < sizeof(header))
		return 0;
	memcpy(&header, data, sizeof(header));
	if (header.length > MESSAGE_MAX)
		return -EBADMSG;
	if (n - sizeof(header) < header.length)
		return 0;

	data += sizeof(header);
	ret->text[0] = '\0';
	switch (header.type) {
	case MESSAGE_PROGRESS:
		r = parse_progress(ret, data, header.length);
		break;
	case MESSAGE_WARNING:
		copy_printable(ret->text, data, header.length);
		break;
	case MESSAGE_RESULT:
		r = parse_result(ret, data, header.length);
		break;
	default:
		return -EBADMSG;
	}
	ret->type = header.type;
	return r < 0 ? r : (int)(sizeof(header) + header.length);
}

static size_t format(char ret[static MESSAGE_BYTES_MAX], enum message_type type,
	const void *head, size_t n, const char *text)
{
	size_t n_text = text ? strlen(text) : 0;
	struct message_header header = { .type = type };

	if (n_text > MESSAGE_MAX - n)
		n_text = MESSAGE_MAX - n;
	header.length = (uint32_t)(n + n_text);
	memcpy(ret, &header, sizeof(header));
	if (n > 0)
		memcpy(ret + sizeof(header), head, n);
	if (n_text > 0)
		memcpy(ret + sizeof(header) + n, text, n_text);
	return sizeof(header) + n + n_text;
}

/* In one write, so that a killed writer leaves no torn message before others. */
static int send(int fd, enum message_type type, const void *head, size_t n, const char *text)
{
	char data[MESSAGE_BYTES_MAX];

	return file_write_all(fd, data, format(data, type, head, n, text));
}

int message_send_progress(int fd, const struct message_progress *progress)
{
	return send(fd, MESSAGE_PROGRESS, progress, sizeof(*progress), NULL);
}

int message_send_warning(int fd, const char *text)
{
	return send(fd, MESSAGE_WARNING, NULL, 0, text);
}

size_t message_format_result(
	char ret[static MESSAGE_BYTES_MAX], int r, bool wrapped, const char *text)
{
	struct message_result result = { .r = r, .wrapped = wrapped };

	return format(ret, MESSAGE_RESULT, &result, sizeof(result), text);
}

int message_send_result(int fd, int r, bool wrapped, const char *text)
{
	struct message_result result = { .r = r, .wrapped = wrapped };

	return send(fd, MESSAGE_RESULT, &result, sizeof(result), text);
}
