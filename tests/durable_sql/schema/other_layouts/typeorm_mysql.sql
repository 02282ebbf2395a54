-- What the Node library's TypeORM adapter makes on MariaDB: whole seconds, and keys that ignore case.
CREATE TABLE `durable_workflow_runs` (
  `id` varchar(191) NOT NULL,
  `workflow` varchar(191) NOT NULL,
  `workflow_version` varchar(191) NOT NULL,
  `status` varchar(191) NOT NULL,
  `input` longtext, `output` longtext, `error` longtext,
  `wake_at` datetime DEFAULT NULL,
  `locked_by` varchar(191) DEFAULT NULL,
  `locked_until` datetime DEFAULT NULL,
  `awaiting_decision_task_id` varchar(191) DEFAULT NULL,
  `recovery_attempts` int(11) DEFAULT NULL,
  `tags` longtext, `search_attributes` longtext,
  `priority` int(11) DEFAULT NULL,
  `namespace` varchar(191) NOT NULL DEFAULT 'default',
  `origin` varchar(191) DEFAULT NULL,
  `created_at` datetime NOT NULL,
  `updated_at` datetime NOT NULL,
  PRIMARY KEY (`id`),
  KEY `durable_runs_status_idx` (`status`, `wake_at`),
  KEY `durable_runs_workflow_status_idx` (`workflow`, `status`),
  KEY `durable_runs_namespace_status_idx` (`namespace`, `status`, `created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE `durable_step_checkpoints` (
  `run_id` varchar(191) NOT NULL,
  `seq` int(11) NOT NULL,
  `name` varchar(191) NOT NULL,
  `kind` varchar(191) NOT NULL,
  `step_id` varchar(191) NOT NULL,
  `status` varchar(191) NOT NULL,
  `input` longtext, `output` longtext, `error` longtext, `events` longtext,
  `attempts` int(11) NOT NULL,
  `worker_group` varchar(191) DEFAULT NULL,
  `parallel_group` varchar(191) DEFAULT NULL,
  `wake_at` datetime DEFAULT NULL,
  `enqueued_at` datetime DEFAULT NULL,
  `started_at` datetime NOT NULL,
  `finished_at` datetime NOT NULL,
  PRIMARY KEY (`run_id`, `seq`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE `durable_run_attributes` (
  `run_id` varchar(191) NOT NULL,
  `key` varchar(191) NOT NULL,
  `str_value` varchar(191) DEFAULT NULL,
  `num_value` double DEFAULT NULL,
  PRIMARY KEY (`run_id`, `key`),
  KEY `durable_run_attributes_num_idx` (`key`, `num_value`),
  KEY `durable_run_attributes_str_idx` (`key`, `str_value`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE `durable_signal_waiters` (
  `token` varchar(191) NOT NULL,
  `run_id` varchar(191) NOT NULL,
  `seq` int(11) NOT NULL,
  `parallel_group` varchar(191) DEFAULT NULL,
  PRIMARY KEY (`token`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE `durable_buffered_signals` (
  `id` bigint(20) NOT NULL AUTO_INCREMENT,
  `token` varchar(191) NOT NULL,
  `payload` longtext,
  PRIMARY KEY (`id`),
  KEY `durable_buffered_signals_token_idx` (`token`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;

CREATE TABLE `durable_buffered_events` (
  `id` varchar(191) NOT NULL,
  `name` varchar(191) NOT NULL,
  `payload` longtext,
  `published_at` datetime NOT NULL,
  PRIMARY KEY (`id`),
  KEY `durable_buffered_events_name_published_at_idx` (`name`, `published_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
