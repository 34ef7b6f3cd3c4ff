-- SPDX-License-Identifier: Apache-2.0
--
-- What the controller keeps. Times are milliseconds since 1970 by the core's clock, 0 for none;
-- "JSON" is in the form of the API. In every table stand who made the row, who changed it last
-- (an access key's id; '' for the controller itself) and when.
--
-- A schema file is never changed once released: add one with the next number. Words of SQLite
-- 3.34 (RHEL 9) only, which has no STRICT tables: the checks say what must hold instead.

CREATE TABLE applications (
	id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
	name TEXT NOT NULL UNIQUE CHECK (name <> ''),
	created_ms INTEGER NOT NULL CHECK (created_ms >= 0),
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE configs (
	id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
	name TEXT NOT NULL UNIQUE CHECK (name <> ''),
	minimum_type INTEGER NOT NULL CHECK (minimum_type BETWEEN 0 AND 2),
	minimum_value INTEGER NOT NULL CHECK (minimum_value BETWEEN 0 AND 4294967295),
	created_ms INTEGER NOT NULL CHECK (created_ms >= 0),
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE groups (
	id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
	application_id TEXT NOT NULL
		REFERENCES applications ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
	name TEXT NOT NULL CHECK (name <> ''),
	config_name TEXT NOT NULL,
	created_ms INTEGER NOT NULL CHECK (created_ms >= 0),
	settings TEXT NOT NULL, -- JSON
	last_successful TEXT NOT NULL,
	last_attempted TEXT NOT NULL,
	target_revision TEXT, -- JSON
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL,
	UNIQUE (application_id, name)
) WITHOUT ROWID;

CREATE TABLE revisions (
	application_id TEXT NOT NULL
		REFERENCES applications ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
	location TEXT NOT NULL, -- JSON, canonical
	description TEXT NOT NULL,
	registered_ms INTEGER NOT NULL CHECK (registered_ms >= 0),
	first_used_ms INTEGER NOT NULL CHECK (first_used_ms >= 0),
	last_used_ms INTEGER NOT NULL CHECK (last_used_ms >= first_used_ms),
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL,
	PRIMARY KEY (application_id, location)
) WITHOUT ROWID;

CREATE TABLE hosts (
	name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
	iam_arn TEXT NOT NULL,
	is_session_arn INTEGER NOT NULL CHECK (is_session_arn IN (0, 1)),
	instance_arn TEXT NOT NULL,
	registered_ms INTEGER NOT NULL CHECK (registered_ms >= 0),
	deregistered_ms INTEGER NOT NULL CHECK (deregistered_ms >= 0),
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- An ARN is one host's as long as that is registered.
CREATE UNIQUE INDEX hosts_by_arn ON hosts (iam_arn) WHERE deregistered_ms = 0;

CREATE TABLE host_tags (
	host_name TEXT NOT NULL
		REFERENCES hosts ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
	key TEXT NOT NULL,
	value TEXT NOT NULL,
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL,
	PRIMARY KEY (host_name, key)
) WITHOUT ROWID;

-- What a host brings into the group's next deployment.
CREATE TABLE host_records (
	group_id TEXT NOT NULL
		REFERENCES groups ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
	host_name TEXT NOT NULL,
	healthy INTEGER NOT NULL CHECK (healthy IN (0, 1)),
	revision INTEGER NOT NULL CHECK (revision BETWEEN 0 AND 2),
	deployment_id TEXT NOT NULL,
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL,
	PRIMARY KEY (group_id, host_name)
) WITHOUT ROWID;

CREATE TABLE keys (
	id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
	name TEXT NOT NULL,
	role INTEGER NOT NULL CHECK (role BETWEEN 0 AND 3),
	user_arn TEXT NOT NULL,
	applications TEXT NOT NULL, -- JSON
	secret TEXT NOT NULL CHECK (secret <> ''),
	disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),
	created_ms INTEGER NOT NULL CHECK (created_ms >= 0),
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- History as well: what a deployment says of application, group and configuration stays when
-- these are gone, so nothing here refers to them. Its number gives the order of creation.
CREATE TABLE deployments (
	number INTEGER PRIMARY KEY,
	id TEXT NOT NULL UNIQUE CHECK (length(id) = 11),
	application_name TEXT NOT NULL,
	group_id TEXT NOT NULL,
	group_name TEXT NOT NULL,
	config_name TEXT NOT NULL,
	status TEXT NOT NULL CHECK (status IN ('Created', 'Queued', 'InProgress', 'Baking',
		'Ready', 'Succeeded', 'Failed', 'Stopped')),
	created_ms INTEGER NOT NULL CHECK (created_ms >= 0),
	started_ms INTEGER NOT NULL CHECK (started_ms >= 0),
	completed_ms INTEGER NOT NULL CHECK (completed_ms >= 0),
	pending INTEGER NOT NULL CHECK (pending >= 0),
	in_progress INTEGER NOT NULL CHECK (in_progress >= 0),
	succeeded INTEGER NOT NULL CHECK (succeeded >= 0),
	failed INTEGER NOT NULL CHECK (failed >= 0),
	skipped INTEGER NOT NULL CHECK (skipped >= 0),
	ready INTEGER NOT NULL CHECK (ready >= 0),
	creator TEXT NOT NULL,
	error_code TEXT,
	error_message TEXT,
	ignore_application_stop_failures INTEGER NOT NULL
		CHECK (ignore_application_stop_failures IN (0, 1)),
	only_outdated INTEGER NOT NULL CHECK (only_outdated IN (0, 1)),
	restart INTEGER NOT NULL CHECK (restart IN (0, 1)),
	file_exists TEXT NOT NULL,
	rolled_back_by TEXT NOT NULL,
	rollback_of TEXT NOT NULL,
	rollback_message TEXT,
	description TEXT NOT NULL,
	revision TEXT NOT NULL, -- JSON, as all that follow
	previous_revision TEXT,
	auto_rollback TEXT NOT NULL,
	alarm_override TEXT,
	messages TEXT NOT NULL,
	rollout TEXT NOT NULL,
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL,
	-- Over is over: an end has its time, and only an end.
	CHECK (completed_ms = 0 OR status IN ('Succeeded', 'Failed', 'Stopped'))
);

-- Lists are answered from an index alone: rows are long.
CREATE INDEX deployments_by_time ON deployments (created_ms, number, status, id);
CREATE INDEX deployments_by_group ON deployments (group_id, created_ms, number, status, id);
CREATE INDEX deployments_by_application
	ON deployments (application_name, created_ms, number, group_id, status, id);
CREATE INDEX deployments_open ON deployments (number) WHERE completed_ms = 0;

-- A host's part in a deployment.
CREATE TABLE targets (
	deployment_id TEXT NOT NULL
		REFERENCES deployments (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
	position INTEGER NOT NULL CHECK (position BETWEEN 0 AND 4294967295),
	host_name TEXT NOT NULL,
	healthy INTEGER NOT NULL CHECK (healthy IN (0, 1)),
	revision INTEGER NOT NULL CHECK (revision BETWEEN 0 AND 2),
	gone INTEGER NOT NULL CHECK (gone IN (0, 1)),
	held INTEGER NOT NULL CHECK (held IN (0, 1)),
	gone_since_ms INTEGER NOT NULL CHECK (gone_since_ms >= 0),
	state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 5),
	reason INTEGER NOT NULL CHECK (reason BETWEEN 0 AND 255),
	step INTEGER NOT NULL CHECK (step BETWEEN 0 AND 255),
	events BLOB NOT NULL CHECK (length(events) = 13), -- a byte for each step
	touched INTEGER NOT NULL CHECK (touched IN (0, 1)),
	vanished INTEGER NOT NULL CHECK (vanished IN (0, 1)),
	since_ms INTEGER NOT NULL CHECK (since_ms >= 0),
	updated_ms INTEGER NOT NULL CHECK (updated_ms >= 0),
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL,
	PRIMARY KEY (deployment_id, position)
) WITHOUT ROWID;

CREATE UNIQUE INDEX targets_by_host ON targets (deployment_id, host_name);

-- Lifecycle events; without a reference to their target, which would cost a search at each.
CREATE TABLE events (
	deployment_id TEXT NOT NULL,
	position INTEGER NOT NULL CHECK (position BETWEEN 0 AND 4294967295),
	event INTEGER NOT NULL CHECK (event BETWEEN 0 AND 12),
	status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 4),
	started_ms INTEGER NOT NULL CHECK (started_ms >= 0),
	ended_ms INTEGER NOT NULL CHECK (ended_ms >= 0),
	error_code INTEGER NOT NULL CHECK (error_code >= -1),
	script_name TEXT,
	message TEXT,
	log_tail TEXT,
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL,
	PRIMARY KEY (deployment_id, position, event)
) WITHOUT ROWID;

-- Of the event under way at a target: what was handed out, in order.
CREATE TABLE deliveries (
	deployment_id TEXT NOT NULL,
	position INTEGER NOT NULL CHECK (position BETWEEN 0 AND 4294967295),
	number INTEGER NOT NULL CHECK (number >= 0),
	event INTEGER NOT NULL CHECK (event BETWEEN 0 AND 12),
	id TEXT NOT NULL CHECK (id <> ''),
	offered_ms INTEGER NOT NULL CHECK (offered_ms >= 0),
	is_acknowledged INTEGER NOT NULL CHECK (is_acknowledged IN (0, 1)),
	is_noop INTEGER NOT NULL CHECK (is_noop IN (0, 1)),
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL,
	PRIMARY KEY (deployment_id, position, number)
) WITHOUT ROWID;

-- Small values of the controller itself.
CREATE TABLE controller_values (
	name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
	value TEXT NOT NULL,
	created_by TEXT NOT NULL,
	changed_by TEXT NOT NULL,
	changed_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	created_ms INTEGER NOT NULL,
	created_by TEXT NOT NULL,
	what TEXT NOT NULL CHECK (what <> ''),
	object TEXT NOT NULL
);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
	SELECT RAISE(ABORT, 'the audit is only added to');
END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
	SELECT RAISE(ABORT, 'the audit is only added to');
END;
