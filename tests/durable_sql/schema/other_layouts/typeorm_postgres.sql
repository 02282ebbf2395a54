-- What the Node library's TypeORM adapter makes on PostgreSQL.
CREATE TABLE "durable_buffered_events" (
  "id" varchar(191) NOT NULL,
  "name" varchar(191) NOT NULL,
  "payload" text,
  "published_at" timestamptz NOT NULL,
  PRIMARY KEY (id)
);
CREATE TABLE "durable_buffered_signals" (
  "id" bigserial NOT NULL,
  "token" varchar(191) NOT NULL,
  "payload" text,
  PRIMARY KEY (id)
);
CREATE TABLE "durable_run_attributes" (
  "run_id" varchar(191) NOT NULL,
  "key" varchar(191) NOT NULL,
  "str_value" varchar(191),
  "num_value" double precision,
  PRIMARY KEY (run_id, key)
);
CREATE TABLE "durable_signal_waiters" (
  "token" varchar(191) NOT NULL,
  "run_id" varchar(191) NOT NULL,
  "seq" integer NOT NULL,
  "parallel_group" varchar(191),
  PRIMARY KEY (token)
);
CREATE TABLE "durable_step_checkpoints" (
  "run_id" varchar(191) NOT NULL,
  "seq" integer NOT NULL,
  "name" varchar(191) NOT NULL,
  "kind" varchar(191) NOT NULL,
  "step_id" varchar(191) NOT NULL,
  "status" varchar(191) NOT NULL,
  "input" text,
  "output" text,
  "error" text,
  "events" text,
  "attempts" integer NOT NULL,
  "worker_group" varchar(191),
  "parallel_group" varchar(191),
  "wake_at" timestamptz,
  "enqueued_at" timestamptz,
  "started_at" timestamptz NOT NULL,
  "finished_at" timestamptz NOT NULL,
  PRIMARY KEY (run_id, seq)
);
CREATE TABLE "durable_workflow_runs" (
  "id" varchar(191) NOT NULL,
  "workflow" varchar(191) NOT NULL,
  "workflow_version" varchar(191) NOT NULL,
  "status" varchar(191) NOT NULL,
  "input" text,
  "output" text,
  "error" text,
  "wake_at" timestamptz,
  "locked_by" varchar(191),
  "locked_until" timestamptz,
  "awaiting_decision_task_id" varchar(191),
  "recovery_attempts" integer,
  "tags" text,
  "search_attributes" text,
  "priority" integer,
  "namespace" varchar(191) NOT NULL DEFAULT 'default',
  "origin" varchar(191),
  "created_at" timestamptz NOT NULL,
  "updated_at" timestamptz NOT NULL,
  PRIMARY KEY (id)
);
CREATE INDEX durable_buffered_events_name_published_at_idx ON durable_buffered_events (name, published_at);
CREATE INDEX durable_buffered_signals_token_idx ON durable_buffered_signals (token);
CREATE INDEX durable_run_attributes_num_idx ON durable_run_attributes (key, num_value);
CREATE INDEX durable_run_attributes_str_idx ON durable_run_attributes (key, str_value);
CREATE INDEX durable_runs_namespace_status_idx ON durable_workflow_runs (namespace, status, created_at);
CREATE INDEX durable_runs_status_idx ON durable_workflow_runs (status, wake_at);
CREATE INDEX durable_runs_workflow_status_idx ON durable_workflow_runs (workflow, status);
