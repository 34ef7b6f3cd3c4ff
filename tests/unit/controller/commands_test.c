/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/commands.h"

#include <openssl/cms.h>

#include "service.h"

static const char *const lifecycle[] = { "ApplicationStop", "DownloadBundle", "BeforeInstall",
	"Install", "AfterInstall", "ApplicationStart", "ValidateService" };

static struct service service;

static void begin(void)
{
	service_init(&service);
	(void)service_add_host(&service, "a");
}

static void refused(struct asked *asked, int status, const char *type, const char *words)
{
	ck_assert(asked->ended);
	ck_assert_int_eq(asked->call.status, status);
	ck_assert_str_eq(answer_of(asked, "__type", NULL), type);
	ck_assert_msg(strstr(answer_of(asked, "message", NULL), words) != NULL, "%s",
		answer_of(asked, "message", NULL));
	asked_done(asked);
}

/* ---- a deployment */

START_TEST(a_host_is_led_through_the_lifecycle)
{
	cleanup_with(freep) char *status = NULL;

	begin();
	service_deploy(&service);
	for (size_t i = 0; i < ARRAY_SIZE(lifecycle); i++)
		run_event(&service, "a", lifecycle[i], "Succeeded");
	status = service_status(&service);
	ck_assert_str_eq(status, "Succeeded");
	service_done(&service);
}
END_TEST

START_TEST(a_command_bears_what_agents_need)
{
	struct asked asked;
	const json_t *command;

	begin();
	service_deploy(&service);
	poll_as(&asked, &service, "a", AWS);
	command = json_object_get(asked.call.output, "HostCommand");
	ck_assert_uint_eq(json_object_size(command), 4);
	ck_assert_str_eq(answer_of(&asked, "HostCommand", "HostIdentifier"),
		"arn:aws:iam::000000000000:user/drover/a");
	ck_assert_uint_eq(
		strlen(answer_of(&asked, "HostCommand", "HostCommandIdentifier")), UUID_LENGTH);
	ck_assert_str_eq(command_of(&asked), "ApplicationStop");
	ck_assert_ptr_nonnull(strstr(answer_of(&asked, "HostCommand", "DeploymentExecutionId"),
		service.deployment_id));
	asked_done(&asked);
	service_done(&service);
}
END_TEST

static void note_event(void *context, const struct event_record *record)
{
	char *text = context;

	if (record->event == TARGET_APPLICATION_STOP)
		(void)snprintf(text, 200, "%d %d %s %s %s", record->status, record->error_code,
			record->script_name, record->message, record->log_tail);
}

START_TEST(a_failure_ends_the_host_and_is_kept)
{
	char text[200] = "";
	cleanup_with(freep) char *id = NULL;
	cleanup_with(freep) char *status = NULL;

	begin();
	service_deploy(&service);
	id = take_command(&service, "a", AWS, "ApplicationStop");
	acknowledge(&service, "a", id, "InProgress");
	complete(&service, "a", id, "Failed",
		"{\"error_code\":4,\"script_name\":\"s.sh\",\"message\":\"status 3\","
		"\"log\":\"no\"}");
	/* Once more with less in it, as AWS's 1.8 does. */
	complete(&service, "a", id, "Failed", "{\"error_code\":5,\"message\":\"status 3\"}");
	status = service_status(&service);
	ck_assert_str_eq(status, "Failed");
	ck_assert_int_eq(store_read_events(service.store, service.deployment_id, 0, note_event,
				 text, NULL),
		0);
	ck_assert_str_eq(text, "3 4 s.sh status 3 no");
	service_done(&service);
}
END_TEST

START_TEST(a_result_needs_no_acknowledgement)
{
	cleanup_with(freep) char *id = NULL;
	cleanup_with(freep) char *status = NULL;

	begin();
	service_deploy(&service);
	id = take_command(&service, "a", AWS, "ApplicationStop");
	complete(&service, "a", id, "Failed", "{\"error_code\":5}");
	acknowledge(&service, "a", id, "Failed"); /* given up */
	status = service_status(&service);
	ck_assert_str_eq(status, "Failed");
	service_done(&service);
}
END_TEST

START_TEST(what_nobody_knows_is_taken_without_a_word)
{
	begin();
	complete(&service, "a", "hc-of-another-service", "Failed", "{\"error_code\":7}");
	acknowledge(&service, "a", "hc-of-another-service", "Failed");
	service_done(&service);
}
END_TEST

START_TEST(a_result_is_one_of_two)
{
	struct asked asked;

	begin();
	complete_as(&asked, &service, "a", AWS, "x", "InProgress", "{}");
	refused(&asked, 400, "ClientException", "Succeeded or Failed");
	ask(&asked, &service, "a", AWS, "PutHostCommandComplete",
		json_pack("{s:s}", "HostCommandIdentifier", "x"));
	refused(&asked, 400, "ClientException", "\"CommandStatus\" is missing");
	ask(&asked, &service, "a", AWS, "PutHostCommandAcknowledgement",
		json_pack("{s:i}", "HostCommandIdentifier", 7));
	refused(&asked, 400, "ClientException", "HostCommandIdentifier");
	service_done(&service);
}
END_TEST

/* ---- who asks */

START_TEST(a_host_speaks_for_itself_alone)
{
	struct asked asked;

	begin();
	(void)service_add_host(&service, "b");
	ask(&asked, &service, "a", AWS, "PollHostCommand",
		json_pack("{s:s}", "HostIdentifier", service_host(&service, "b")->iam_arn));
	refused(&asked, 403, "AccessDeniedException", "signed with the key of");
	/* AWS's agents would take a part of their name for theirs; we do not. */
	ask(&asked, &service, "a", AWS, "PollHostCommand",
		json_pack("{s:s}", "HostIdentifier", "drover/a"));
	refused(&asked, 403, "AccessDeniedException", "drover/a");
	ask(&asked, &service, "a", AWS, "PollHostCommand", json_object());
	refused(&asked, 400, "ClientException", "\"HostIdentifier\" is missing");
	service_done(&service);
}
END_TEST

/* The commands of one host are none of another's business. */
START_TEST(a_host_answers_its_own_commands_alone)
{
	cleanup_with(freep) char *id = NULL;

	begin();
	(void)service_add_host(&service, "b");
	service_deploy(&service);
	id = take_command(&service, "a", AWS, "ApplicationStop");
	acknowledge(&service, "b", id, "Failed");
	complete(&service, "b", id, "Failed", "{}");
	ck_assert_int_eq(service_target(&service, "a")->state, TARGET_SENT);
	acknowledge(&service, "a", id, "InProgress");
	service_done(&service);
}
END_TEST

START_TEST(people_and_strangers_are_told_what_to_do)
{
	struct key admin = { .id = "AKIAADMIN", .user_arn = (char *)"" };
	struct key stranger = { .id = "AKIASTRANGER", .user_arn = (char *)"arn:x" };
	struct asked asked;

	begin();
	for (const struct operation *at = command_operations; at->name; at++) {
		ask_with_key(&asked, &service, &admin, AWS, at->name, json_object());
		refused(&asked, 403, "AccessDeniedException", at->name);
		ask_with_key(&asked, &service, NULL, AWS, at->name, json_object());
		refused(&asked, 403, "AccessDeniedException", at->name);
		ask_with_key(&asked, &service, &stranger, AWS, at->name, json_object());
		refused(&asked, 400, "ClientException", "register-on-premises-instance");
	}
	service_done(&service);
}
END_TEST

START_TEST(a_deregistered_host_is_told_at_once)
{
	struct asked waiting;
	struct asked asked;
	struct host *host;

	begin();
	host = service_host(&service, "a");
	poll_as(&waiting, &service, "a", AWS);
	ck_assert(!waiting.ended);
	fleet_deregister_host(service.fleet, host, service_now(&service));
	commands_host_deregistered(service.commands, host, service_now(&service));
	refused(&waiting, 400, "ClientException", "was deregistered");
	ck_assert(!host->is_present && host->heard_ms == 0 && !host->parked);
	poll_as(&asked, &service, "a", AWS);
	refused(&asked, 400, "ClientException", "register-on-premises-instance");
	service_done(&service);
}
END_TEST

/* ---- inputs */

static const struct member {
	const char *operation;
	const char *name;
	bool is_needed;
} members[] = {
	{ "PollHostCommand", "HostIdentifier", true },
	{ "GetDeploymentSpecification", "HostIdentifier", true },
	{ "GetDeploymentSpecification", "DeploymentExecutionId", true },
	{ "PutHostCommandAcknowledgement", "HostCommandIdentifier", true },
	{ "PutHostCommandAcknowledgement", "Diagnostics", false },
	{ "PutHostCommandComplete", "HostCommandIdentifier", true },
	{ "PutHostCommandComplete", "CommandStatus", true },
	{ "PutHostCommandComplete", "Diagnostics", false },
	{ "PostHostCommandUpdate", "HostCommandIdentifier", true },
};

/* Of all operations at once: each ignores what it does not know. */
static json_t *good_input(void)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "HostIdentifier",
		service_host(&service, "a")->iam_arn, "DeploymentExecutionId",
		"l/0/d-AAAAAAAAA/1", "HostCommandIdentifier", "x", "CommandStatus", "Failed");
}

START_TEST(members_of_the_wrong_kind_are_named)
{
	const char *const values[] = { "null", "7", "1e99", "true", "[]", "[[]]", "{}",
		"{\"Payload\":{}}", "\"\"" };
	struct asked asked;

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(members) * ARRAY_SIZE(values); i++) {
		const struct member *member = &members[i / ARRAY_SIZE(values)];
		json_t *value = json_loads(
			values[i % ARRAY_SIZE(values)], JSON_DECODE_ANY, NULL);
		json_t *input = good_input();
		bool is_text = json_is_string(value);

		json_object_set_new(input, member->name, value);
		ask(&asked, &service, "a", i % 2 ? OURS : AWS, member->operation, input);
		ck_assert(asked.ended);
		if (member->is_needed && !is_text)
			refused(&asked, 400, "ClientException", member->name);
		else
			asked_done(&asked);
	}
	service_done(&service);
}
END_TEST

/* ---- polls that wait */

START_TEST(a_poll_waits_for_the_command)
{
	struct asked asked;

	begin();
	poll_as(&asked, &service, "a", AWS);
	ck_assert(!asked.ended);
	ck_assert_ptr_eq(service_host(&service, "a")->parked, &asked.call);
	service_deploy(&service);
	ck_assert_str_eq(command_of(&asked), "ApplicationStop");
	ck_assert_ptr_null(service_host(&service, "a")->parked);
	asked_done(&asked);
	service_done(&service);
}
END_TEST

START_TEST(the_next_command_wakes_a_poll)
{
	struct asked asked;
	cleanup_with(freep) char *id = NULL;

	begin();
	service_deploy(&service);
	id = take_command(&service, "a", AWS, "ApplicationStop");
	acknowledge(&service, "a", id, "InProgress");
	poll_as(&asked, &service, "a", AWS);
	ck_assert(!asked.ended);
	complete(&service, "a", id, "Succeeded", "{}");
	ck_assert_str_eq(command_of(&asked), "DownloadBundle");
	asked_done(&asked);
	service_done(&service);
}
END_TEST

START_TEST(a_poll_ends_with_nothing)
{
	struct asked asked;

	begin();
	service.settings.long_poll_ms = 30;
	poll_as(&asked, &service, "a", AWS);
	ck_assert(!asked.ended);
	asked.ends_loop = true;
	ck_assert_int_eq(loop_run(service.loop, NULL), 0);
	ck_assert_int_eq(asked.call.status, 200);
	ck_assert_uint_eq(json_object_size(asked.call.output), 0);
	ck_assert_ptr_null(service_host(&service, "a")->parked);
	asked_done(&asked);
	service.settings.long_poll_ms = 0;
	poll_as(&asked, &service, "a", AWS);
	ck_assert_uint_eq(json_object_size(asked.call.output), 0);
	asked_done(&asked);
	service_done(&service);
}
END_TEST

START_TEST(a_host_whose_poll_ended_can_be_missed)
{
	struct asked asked;
	struct asked last;

	begin();
	(void)service_add_host(&service, "b");
	service.settings.presence = (struct presence_settings){ 40, 40, 0 };
	service_restart(&service);
	service.settings.long_poll_ms = 20;
	poll_as(&asked, &service, "a", AWS);
	service.settings.long_poll_ms = 300;
	poll_as(&last, &service, "b", AWS);
	last.ends_loop = true;
	ck_assert_int_eq(loop_run(service.loop, NULL), 0);
	ck_assert(asked.ended);
	ck_assert(!service_host(&service, "a")->is_present);
	ck_assert(service_host(&service, "b")->is_present);
	asked_done(&asked);
	asked_done(&last);
	service_done(&service);
}
END_TEST

START_TEST(a_second_poll_ends_the_first)
{
	struct asked first;
	struct asked second;

	begin();
	poll_as(&first, &service, "a", AWS);
	poll_as(&second, &service, "a", AWS);
	ck_assert_int_eq(first.call.status, 200);
	ck_assert_uint_eq(json_object_size(first.call.output), 0);
	ck_assert(!second.ended);
	service_deploy(&service);
	ck_assert_str_eq(command_of(&second), "ApplicationStop");
	asked_done(&first);
	asked_done(&second);
	service_done(&service);
}
END_TEST

START_TEST(a_client_that_left_gets_nothing)
{
	struct asked asked;

	begin();
	poll_as(&asked, &service, "a", AWS);
	call_leave(&asked.call);
	ck_assert_ptr_null(service_host(&service, "a")->parked);
	ck_assert(service_host(&service, "a")->is_present);
	service_deploy(&service);
	ck_assert(!asked.ended);
	ck_assert_uint_eq(service_host(&service, "a")->open->n_deliveries, 0);
	asked_done(&asked);
	free(take_command(&service, "a", AWS, "ApplicationStop"));
	service_done(&service);
}
END_TEST

START_TEST(the_end_of_the_service_answers_all)
{
	struct asked a;
	struct asked b;

	begin();
	(void)service_add_host(&service, "b");
	poll_as(&a, &service, "a", AWS);
	poll_as(&b, &service, "b", OURS);
	service_restart(&service);
	ck_assert(a.ended && b.ended);
	ck_assert_uint_eq(json_object_size(b.call.output), 0);
	asked_done(&a);
	asked_done(&b);
	service_done(&service);
}
END_TEST

/* ---- specifications */

static void get_specification(struct asked *asked, const char *host, const char *extensions)
{
	cleanup_with(freep) char *execution = xasprintf(
		"local/000000000000/%s/1", service.deployment_id);

	ask(asked, &service, host, extensions, "GetDeploymentSpecification",
		json_pack("{s:s, s:s}", "DeploymentExecutionId", execution, "HostIdentifier",
			service_host(&service, host)->iam_arn));
}

static const char *envelope_of(const struct asked *asked, const char *member)
{
	const json_t *specification = json_object_get(
		asked->call.output, "DeploymentSpecification");

	return json_string_value(
		json_object_get(json_object_get(specification, "GenericEnvelope"), member));
}

/* The signed document; the signature is verified, the chain is sign_test's business. */
static json_t *open_envelope(const struct asked *asked)
{
	BIO *pem = BIO_new_mem_buf(envelope_of(asked, "Payload"), -1);
	BIO *out = BIO_new(BIO_s_mem());
	char *name = NULL;
	char *header = NULL;
	unsigned char *der = NULL;
	const unsigned char *at;
	long n = 0;
	CMS_ContentInfo *cms;
	json_t *json = NULL;
	char *data;

	ck_assert_int_eq(PEM_read_bio(pem, &name, &header, &der, &n), 1);
	at = der;
	cms = d2i_CMS_ContentInfo(NULL, &at, n);
	ck_assert_int_eq(
		CMS_verify(cms, NULL, NULL, NULL, out, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY),
		1);
	n = BIO_get_mem_data(out, &data);
	ck_assert_int_eq(json_parse_object(&json, data, (size_t)n, NULL), 0);
	CMS_ContentInfo_free(cms);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(pem);
	BIO_free(out);
	return json;
}

START_TEST(hosts_of_aws_share_one_order)
{
	struct asked a;
	struct asked b;
	json_t *json;

	begin();
	(void)service_add_host(&service, "b");
	service_deploy(&service);
	get_specification(&a, "a", AWS);
	get_specification(&b, "b", AWS);
	ck_assert_str_eq(answer_of(&a, "DeploymentSystem", NULL), "CodeDeploy");
	ck_assert_str_eq(envelope_of(&a, "Format"), "PKCS7/JSON");
	ck_assert_int_eq(strncmp(envelope_of(&a, "Payload"), "-----BEGIN PKCS7-----\n", 22), 0);
	/* The time of the signature stands in it: signed once. */
	ck_assert_str_eq(envelope_of(&a, "Payload"), envelope_of(&b, "Payload"));
	json = open_envelope(&a);
	ck_assert_str_eq(json_string_value(json_object_get(json, "DeploymentId")),
		service.deployment_id);
	ck_assert_ptr_null(json_object_get(json, "Drover"));
	json_decref(json);
	asked_done(&a);
	asked_done(&b);
	service_done(&service);
}
END_TEST

static json_int_t sequence_of(const char *host, const char *expected_arn)
{
	struct asked asked;
	json_t *json;
	const json_t *member;
	json_int_t sequence;

	get_specification(&asked, host, OURS);
	ck_assert_str_eq(envelope_of(&asked, "Format"), "CMS/JSON");
	json = open_envelope(&asked);
	member = json_object_get(json, "Drover");
	ck_assert_str_eq(
		json_string_value(json_object_get(member, "HostIdentifier")), expected_arn);
	ck_assert_uint_eq(json_array_size(json_object_get(member, "Events")), 7);
	ck_assert_int_gt(json_integer_value(json_object_get(member, "NotAfter")),
		json_integer_value(json_object_get(member, "IssuedAt")));
	sequence = json_integer_value(json_object_get(member, "Sequence"));
	json_decref(json);
	asked_done(&asked);
	return sequence;
}

START_TEST(each_host_of_ours_has_an_order_of_its_own)
{
	json_int_t first;
	json_int_t second;

	begin();
	(void)service_add_host(&service, "b");
	service_deploy(&service);
	first = sequence_of("a", "arn:aws:iam::000000000000:user/drover/a");
	second = sequence_of("b", "arn:aws:iam::000000000000:user/drover/b");
	ck_assert_int_gt(first, 1700000000000);
	ck_assert_int_gt(second, first);
	service_done(&service);
}
END_TEST

/* Also when the clock went back meanwhile. */
START_TEST(sequences_rise_over_restarts)
{
	json_int_t first;

	begin();
	service_deploy(&service);
	first = sequence_of("a", "arn:aws:iam::000000000000:user/drover/a");
	service_restart(&service);
	service.clock.wall_ms -= 3600 * 1000;
	ck_assert_int_eq(
		sequence_of("a", "arn:aws:iam::000000000000:user/drover/a"), first + 1);
	service_done(&service);
}
END_TEST

START_TEST(there_is_no_order_for_what_has_ended)
{
	struct asked asked;

	begin();
	(void)service_add_host(&service, "b");
	service_deploy(&service);
	run_event(&service, "a", "ApplicationStop", "Failed");
	get_specification(&asked, "a", OURS);
	refused(&asked, 400, "ClientException", "has nothing to do on a");
	/* AWS's 1.8 asks once more after an acknowledgement that came too late. */
	get_specification(&asked, "a", AWS);
	ck_assert_int_eq(asked.call.status, 200);
	asked_done(&asked);
	run_event(&service, "b", "ApplicationStop", "Failed");
	get_specification(&asked, "a", AWS);
	refused(&asked, 400, "ClientException", "has ended");
	service_done(&service);
}
END_TEST

START_TEST(other_keys_sign_anew)
{
	struct asked before;
	struct asked after;

	begin();
	service_deploy(&service);
	get_specification(&before, "a", AWS);
	remove_signing_files(&service.settings);
	make_signing_files(&service.settings);
	ck_assert_int_eq(signer_reload(service.signer, &service.settings, NULL), 0);
	get_specification(&after, "a", AWS);
	ck_assert_str_ne(envelope_of(&before, "Payload"), envelope_of(&after, "Payload"));
	asked_done(&before);
	asked_done(&after);
	service_done(&service);
}
END_TEST

static void archive_is(const char *host, const char *extensions, const char *expected)
{
	struct asked asked;
	json_t *json;
	const char *archive;

	get_specification(&asked, host, extensions);
	json = open_envelope(&asked);
	archive = json_string_value(json_object_get(json, "ReuseArchiveFromDeploymentId"));
	ck_assert_str_eq(archive ? archive : "", expected);
	json_decref(json);
	asked_done(&asked);
}

/* Hosts that do not have the revision fetch it; what is signed for one is not for the other. */
START_TEST(a_restart_names_the_archive_of_each_host)
{
	char first[DEPLOYMENT_ID_LENGTH + 1];

	begin();
	service_deploy(&service);
	archive_is("a", AWS, "");
	for (size_t i = 0; i < ARRAY_SIZE(lifecycle); i++)
		run_event(&service, "a", lifecycle[i], "Succeeded");
	memcpy(first, service.deployment_id, sizeof(first));
	(void)service_add_host(&service, "b");
	service_deploy_as(&service, true);
	for (int i = 0; i < 2; i++) {
		archive_is("a", AWS, first);
		archive_is("b", AWS, "");
	}
	archive_is("a", OURS, first);
	archive_is("b", OURS, "");
	service_done(&service);
}
END_TEST

START_TEST(an_update_is_taken)
{
	struct asked asked;

	begin();
	ask(&asked, &service, "a", AWS, "PostHostCommandUpdate",
		json_pack("{s:s}", "HostCommandIdentifier", "x"));
	ck_assert_int_eq(asked.call.status, 200);
	ck_assert_uint_eq(json_object_size(asked.call.output), 0);
	asked_done(&asked);
	service_done(&service);
}
END_TEST

TESTS("commands", a_host_is_led_through_the_lifecycle, a_command_bears_what_agents_need,
	a_failure_ends_the_host_and_is_kept, a_result_needs_no_acknowledgement,
	what_nobody_knows_is_taken_without_a_word, a_result_is_one_of_two,
	a_host_speaks_for_itself_alone, a_host_answers_its_own_commands_alone,
	people_and_strangers_are_told_what_to_do, a_deregistered_host_is_told_at_once,
	members_of_the_wrong_kind_are_named, a_poll_waits_for_the_command,
	the_next_command_wakes_a_poll, a_poll_ends_with_nothing,
	a_host_whose_poll_ended_can_be_missed, a_second_poll_ends_the_first,
	a_client_that_left_gets_nothing, the_end_of_the_service_answers_all,
	hosts_of_aws_share_one_order, each_host_of_ours_has_an_order_of_its_own,
	sequences_rise_over_restarts, there_is_no_order_for_what_has_ended,
	other_keys_sign_anew, a_restart_names_the_archive_of_each_host, an_update_is_taken)
