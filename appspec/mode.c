/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/mode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/document.h"
#include "base/report.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

static char *without_underscores(const char *text)
{
	char *made = xstrdup(text);
	char *to = made;

	for (; *text; text++)
		if (*text != '_')
			*to++ = *text;
	*to = '\0';
	return made;
}

/* An octal number: what its author wrote, where the reference takes the decimal digits of the
 * value (0644 gives it 420). */
static char *octal_digits(const char *text, char **ret_note)
{
	char *digits = without_underscores(text);
	int64_t value = scalar_integer(text);

	if (value >= 0 && value > 7)
		*ret_note = xasprintf("mode %s is read as %s; AWS's agent takes it for an "
				      "octal number and sees %" PRId64
				      ": quote it, or leave out the leading 0",
			quote(text), quote(digits), value);
	return digits;
}

static char *mode_digits(const struct node *node, char **ret_note)
{
	const char *text = node->text;

	if (node->type != SCALAR_INTEGER || text[strspn(text, "1234567890")] == '\0')
		if (node->type != SCALAR_INTEGER || !scalar_is_octal(text))
			return xstrdup(text);
	if (scalar_is_octal(text))
		return octal_digits(text, ret_note);
	/* A sign, or minutes and seconds: no mode in anyone's eyes. */
	if (scalar_is_sexagesimal(text) || text[0] == '-' || text[0] == '+')
		return xstrdup(text);
	*ret_note = xasprintf("mode '%s' is the number %" PRId64
			      ", whose digits are taken; write them",
		quote(text), scalar_integer(text));
	return xasprintf("%" PRId64, scalar_integer(text));
}

int mode_parse(mode_t *ret, char **ret_text, char **ret_note, const struct node *node,
	const char **ret_id, struct error *err)
{
	cleanup_with(freep) char *note = NULL;
	cleanup_with(freep) char *digits = mode_digits(node, &note);
	size_t wrong;

	if (strlen(node->text) != node->length || strlen(digits) > 4) {
		*ret_id = "E-MODE-LENGTH";
		return error_set(err, -EINVAL,
			"mode '%s' is longer than four characters; allowed are one to four "
			"digits from 0 to 7, as in 0644",
			quote(digits));
	}
	wrong = strspn(digits, "01234567");
	if (digits[wrong] != '\0') {
		*ret_id = "E-MODE-CHAR";
		return error_set(err, -EINVAL,
			"mode '%s' holds '%s'; allowed are one to four digits from 0 to 7, as "
			"in 0644",
			quote(digits), quote(digits + wrong));
	}
	*ret = (mode_t)strtoul(digits, NULL, 8);
	*ret_text = xasprintf("%s%s", &"000"[strlen(digits) > 3 ? 3 : strlen(digits)], digits);
	*ret_note = take(&note);
	return 0;
}
