/* SPDX-License-Identifier: Apache-2.0 */
#include "base/scalar.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

/* The words that are no text, in any case of letters. */
static const struct word {
	const char *text;
	enum scalar_type type;
	bool value;
} words[] = {
	{ "", SCALAR_NULL, false },
	{ "~", SCALAR_NULL, false },
	{ "null", SCALAR_NULL, false },
	{ "yes", SCALAR_BOOLEAN, true },
	{ "true", SCALAR_BOOLEAN, true },
	{ "on", SCALAR_BOOLEAN, true },
	{ "no", SCALAR_BOOLEAN, false },
	{ "false", SCALAR_BOOLEAN, false },
	{ "off", SCALAR_BOOLEAN, false },
};

static const struct word *find_word(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(words[i].text, text) == 0)
			return &words[i];
	return NULL;
}

static const char *skip_sign(const char *text)
{
	return *text == '-' || *text == '+' ? text + 1 : text;
}

/* One character or more, all of them in `set`. */
static bool all_in(const char *text, const char *set)
{
	return *text && text[strspn(text, set)] == '\0';
}

bool scalar_is_octal(const char *text)
{
	text = skip_sign(text);
	return *text == '0' && all_in(text + 1, "01234567_");
}

bool scalar_is_sexagesimal(const char *text)
{
	size_t parts = 0;

	text = skip_sign(text);
	if (!isdigit((unsigned char)*text))
		return false;
	text += strspn(text, "0123456789_");
	while (*text == ':' && parts < 3) {
		size_t n = strspn(++text, "0123456789");

		if (n == 0 || n > 2 || (n == 2 && *text > '5'))
			return false;
		text += n;
		parts++;
	}
	return *text == '\0' && (parts == 1 || parts == 2);
}

static bool is_decimal(const char *text)
{
	text = skip_sign(text);
	if (strcmp(text, "0") == 0)
		return true;
	if (*text < '1' || *text > '9' || !all_in(text, "0123456789_,"))
		return false;
	/* Between digits only. */
	for (; *text; text++)
		if (!isdigit((unsigned char)text[0]) && !isdigit((unsigned char)text[1]))
			return false;
	return true;
}

static bool is_prefixed(const char *text, char letter, const char *digits)
{
	text = skip_sign(text);
	return text[0] == '0' && text[1] == letter && all_in(text + 2, digits);
}

static bool is_hexadecimal(const char *text)
{
	return is_prefixed(text, 'x', "0123456789abcdefABCDEF_");
}

static bool is_binary(const char *text)
{
	return is_prefixed(text, 'b', "01_");
}

static bool is_special_float(const char *text)
{
	return strcasecmp(skip_sign(text), ".inf") == 0 || strcasecmp(text, ".nan") == 0;
}

/* Needs a point; an exponent needs a sign. */
static bool is_float(const char *text)
{
	size_t before;

	text = skip_sign(text);
	if (*text == '_')
		return false;
	before = strspn(text, "0123456789_");
	text += before;
	if (*text++ != '.')
		return false;
	if (*text == '\0')
		return before > 0;
	if (!isdigit((unsigned char)*text))
		return false;
	text += strspn(text, "0123456789_");
	if ((*text == 'e' || *text == 'E') && (text[1] == '+' || text[1] == '-') &&
		isdigit((unsigned char)text[2]))
		text += 2 + strspn(text + 2, "0123456789");
	return *text == '\0';
}

enum scalar_type scalar_type(const char *text)
{
	const struct word *word = find_word(text);

	if (word)
		return word->type;
	if (is_decimal(text) || scalar_is_octal(text) || is_hexadecimal(text) ||
		is_binary(text) || scalar_is_sexagesimal(text))
		return SCALAR_INTEGER;
	if (is_float(text) || is_special_float(text))
		return SCALAR_FLOAT;
	return SCALAR_TEXT;
}

bool scalar_boolean(const char *text)
{
	const struct word *word = find_word(text);

	return word && word->value;
}

static int digit_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return tolower((unsigned char)c) - 'a' + 10;
}

/* Stays at the largest value once it is passed. */
static int64_t add_digits(int64_t value, int64_t base, const char *digits, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (digits[i] == '_' || digits[i] == ',')
			continue;
		if (__builtin_mul_overflow(value, base, &value) ||
			__builtin_add_overflow(value, digit_value(digits[i]), &value))
			return INT64_MAX;
	}
	return value;
}

static int64_t sexagesimal(const char *text)
{
	int64_t value = 0;

	for (;;) {
		size_t n = strcspn(text, ":");
		int64_t part = add_digits(0, 10, text, n);

		if (__builtin_mul_overflow(value, 60, &value) ||
			__builtin_add_overflow(value, part, &value))
			return INT64_MAX;
		if (text[n] == '\0')
			return value;
		text += n + 1;
	}
}

static int64_t magnitude(const char *text)
{
	if (is_hexadecimal(text))
		return add_digits(0, 16, text + 2, strlen(text + 2));
	if (is_binary(text))
		return add_digits(0, 2, text + 2, strlen(text + 2));
	if (scalar_is_octal(text))
		return add_digits(0, 8, text, strlen(text));
	if (scalar_is_sexagesimal(text))
		return sexagesimal(text);
	return add_digits(0, 10, text, strlen(text));
}

int64_t scalar_integer(const char *text)
{
	int64_t value = magnitude(skip_sign(text));

	if (*text != '-')
		return value;
	return value == INT64_MAX ? INT64_MIN : -value;
}

double scalar_float(const char *text)
{
	char digits[64];
	size_t n = 0;

	if (is_special_float(text))
		return strcasecmp(text, ".nan") == 0 ? (double)NAN : (double)INFINITY;
	for (; *text && n < sizeof(digits) - 1; text++)
		if (*text != '_')
			digits[n++] = *text;
	digits[n] = '\0';
	return strtod(digits, NULL);
}
