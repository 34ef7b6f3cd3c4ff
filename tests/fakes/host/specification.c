/* SPDX-License-Identifier: Apache-2.0 */
#include "specification.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/cms.h> /* after pem.h: it declares CMS in PEM only then */
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/protocol.h"
#include "base/time.h"

static void specification_done(struct specification *specification)
{
	free(specification->payload);
	free(specification->deployment);
	free(specification->group);
	free(specification->revision);
	free(specification->creator);
	json_decref(specification->content);
	*specification = (struct specification){ 0 };
}

void specifications_done(struct specifications *specifications)
{
	for (size_t i = 0; i < SPECIFICATIONS_KEPT; i++)
		specification_done(&specifications->kept[i]);
}

static void pkcs7_freep(PKCS7 **message)
{
	PKCS7_free(*message);
}

static void cms_freep(CMS_ContentInfo **message)
{
	CMS_ContentInfo_free(*message);
}

static void bio_freep(BIO **bio)
{
	BIO_free(*bio);
}

/* Both take the content out, signed or not; whether it is, is said beside it. False if it is no
 * such message. */
static bool open_pkcs7(struct specification *specification, BIO *in, BIO *out)
{
	cleanup_with(pkcs7_freep) PKCS7 *message = PEM_read_bio_PKCS7(in, NULL, NULL, NULL);

	if (message)
		specification->is_signed = PKCS7_verify(message, NULL, NULL, NULL, out,
						   PKCS7_NOVERIFY) == 1;
	return message;
}

static bool open_cms(struct specification *specification, BIO *in, BIO *out)
{
	cleanup_with(cms_freep)
		CMS_ContentInfo *message = PEM_read_bio_CMS(in, NULL, NULL, NULL);

	if (message)
		specification->is_signed = CMS_verify(message, NULL, NULL, NULL, out,
						   CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) == 1;
	return message;
}

static int open_envelope(struct specification *specification, struct error *err)
{
	cleanup_with(bio_freep) BIO *in = BIO_new_mem_buf(specification->payload, -1);
	cleanup_with(bio_freep) BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL;
	bool is_message;
	long n;

	if (!in || !out)
		return error_set(err, -ENOMEM, "no memory for an envelope");
	is_message = specification->is_ours ? open_cms(specification, in, out)
					    : open_pkcs7(specification, in, out);
	ERR_clear_error();
	if (!is_message)
		return error_set(err, -EBADMSG, "the payload is not a %s message in PEM",
			specification->is_ours ? "CMS" : "PKCS7");
	n = BIO_get_mem_data(out, &text);
	if (n <= 0)
		return error_set(err, -EBADMSG, "the envelope has no content inside");
	return json_parse_object(&specification->content, text, (size_t)n, err);
}

static int get_set_string(
	const json_t *object, const char *member, const char **ret, struct error *err)
{
	int r = json_get_string(object, member, ret, err);

	if (r == 0 && !**ret)
		r = error_set(err, -EBADMSG, "member %s is empty", member);
	return r;
}

static int check_members(const json_t *object, const char *const *members, struct error *err)
{
	const char *value;
	int r = 0;

	for (; r == 0 && *members; members++)
		r = get_set_string(object, *members, &value, err);
	return r;
}

static int read_revision(struct specification *specification, struct error *err)
{
	static const struct {
		const char *type, *object, *name;
		const char *members[5];
	} types[] = {
		{ "S3", "S3Revision", "Key", { "Bucket", "Key", "BundleType" } },
		{ "GitHub", "GitHubRevision", "CommitId",
			{ "Account", "Repository", "CommitId" } },
		{ "Local File", "LocalRevision", "Location", { "Location", "BundleType" } },
		{ "Local Directory", "LocalRevision", "Location",
			{ "Location", "BundleType" } },
	};
	const json_t *revision = json_object_get(specification->content, "Revision");
	const char *type;
	int r;

	if (!json_is_object(revision))
		return error_set(err, -EBADMSG, "the specification has no Revision");
	r = get_set_string(revision, "RevisionType", &type, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const json_t *object = json_object_get(revision, types[i].object);

		if (strcmp(type, types[i].type) != 0)
			continue;
		r = check_members(object, types[i].members, err);
		if (r == 0)
			specification->revision = xstrdup(
				json_string_value(json_object_get(object, types[i].name)));
		return r < 0 ? error_wrap(err, "%s", types[i].object) : 0;
	}
	return error_set(err, -EBADMSG, "revision type '%s' is unknown", type);
}

/* The part after the slash of an ARN's last field, or the id as it is. */
static const char *short_id(const char *id)
{
	const char *slash = strncmp(id, "arn:", 4) == 0 ? strrchr(id, '/') : NULL;

	return slash ? slash + 1 : id;
}

static int read_content(struct specification *specification, struct error *err)
{
	static const char *const needed[] = { "DeploymentId", "DeploymentGroupId",
		"DeploymentGroupName", "ApplicationName", NULL };
	static const char *const strings[] = { "DeploymentCreator", "DeploymentType",
		"AppSpecFilename" };
	const json_t *content = specification->content;
	const char *creator = "user";
	int r;

	r = check_members(content, needed, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(strings); i++) {
		const char *value = NULL;

		r = json_find_string(content, strings[i], &value, err);
		if (value && i == 0)
			creator = value;
	}
	if (r == 0 && json_object_get(content, "AllPossibleLifecycleEvents"))
		r = error_set(err, -EBADMSG,
			"AllPossibleLifecycleEvents makes every Install of agent 1.8.1 fail");
	if (r == 0)
		r = read_revision(specification, err);
	if (r < 0)
		return r;
	specification->deployment = xstrdup(
		short_id(json_string_value(json_object_get(content, "DeploymentId"))));
	specification->group = xstrdup(
		json_string_value(json_object_get(content, "DeploymentGroupId")));
	specification->creator = xstrdup(creator);
	return 0;
}

static int find_payload(
	const json_t *answer, const char *expected, const char **ret, struct error *err)
{
	const json_t *envelope;
	const char *system = "";
	const char *format = "";
	int r = json_get_string(answer, "DeploymentSystem", &system, err);

	if (r == 0 && strcmp(system, "CodeDeploy") != 0)
		r = error_set(err, -EBADMSG, "DeploymentSystem is '%s'", system);
	if (r < 0)
		return r;
	envelope = json_object_get(
		json_object_get(answer, "DeploymentSpecification"), "GenericEnvelope");
	if (!json_is_object(envelope))
		return error_set(err, -EBADMSG, "the answer has no GenericEnvelope");
	r = json_get_string(envelope, "Format", &format, err);
	if (r == 0 && strcmp(format, expected) != 0)
		r = error_set(err, -EBADMSG, "the envelope's format is '%s'", format);
	return r < 0 ? r : get_set_string(envelope, "Payload", ret, err);
}

/* What binds an order of ours to one host; its Sequence is the host's to follow. */
static int check_binding(const struct specification *specification,
	const struct specification_reader *reader, struct error *err)
{
	const json_t *ours = json_object_get(specification->content, "Drover");
	const char *host = "";
	const char *order = "";
	int64_t not_after_ms = 0;
	const json_t *event;
	size_t i;
	int r = json_get_string(ours, "HostIdentifier", &host, err);

	if (r == 0)
		r = json_get_string(ours, "Order", &order, err);
	if (r == 0)
		r = json_get_integer(ours, "NotAfter", &not_after_ms, err);
	if (r < 0)
		return error_wrap(err, "member Drover");
	if (strcmp(host, reader->host_identifier) != 0)
		return error_set(err, -EBADMSG, "the order is for %s", host);
	if (strcmp(order, reader->execution) != 0)
		return error_set(err, -EBADMSG, "the order is %s", order);
	if (not_after_ms <= (int64_t)time_now_ms())
		return error_set(err, -EBADMSG, "the order was good until %lld",
			(long long)not_after_ms);
	json_array_foreach(json_object_get(ours, "Events"), i, event)
	{
		if (json_is_string(event) &&
			strcmp(json_string_value(event), reader->event) == 0)
			return 0;
	}
	return error_set(err, -EBADMSG, "the order does not name %s", reader->event);
}

static struct specification *find_kept(
	struct specifications *specifications, const char *payload)
{
	for (size_t i = 0; i < SPECIFICATIONS_KEPT; i++) {
		struct specification *specification = &specifications->kept[i];

		if (specification->payload && strcmp(specification->payload, payload) == 0)
			return specification;
	}
	return NULL;
}

int specification_read(struct specifications *specifications, const json_t *answer,
	const struct specification_reader *reader, const struct specification **ret,
	struct error *err)
{
	struct specification *specification;
	const char *payload = "";
	int r = find_payload(answer,
		reader->is_ours ? PROTOCOL_FORMAT_OURS : PROTOCOL_FORMAT_AWS, &payload, err);

	if (r < 0)
		return r;
	specification = find_kept(specifications, payload);
	if (!specification) {
		specification =
			&specifications->kept[specifications->next++ % SPECIFICATIONS_KEPT];
		specification_done(specification);
		specification->is_ours = reader->is_ours;
		specification->payload = xstrdup(payload);
		r = open_envelope(specification, err);
		if (r == 0)
			r = read_content(specification, err);
	}
	if (r == 0 && reader->is_ours)
		r = check_binding(specification, reader, err);
	if (r < 0) {
		specification_done(specification);
		return error_wrap(err, "specification");
	}
	*ret = specification;
	return 0;
}
