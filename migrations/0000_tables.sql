CREATE TABLE `checkpoints` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`job` text NOT NULL,
	`step` integer NOT NULL,
	`prefix` text NOT NULL,
	`manifest` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `checkpoints_id_unique` ON `checkpoints` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `checkpoints_by_step` ON `checkpoints` (`job`,`step`);--> statement-breakpoint
CREATE TABLE `datasets` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`name` text,
	`version` integer NOT NULL,
	`body` text NOT NULL,
	`secret` text,
	`created_at` integer NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `datasets_id_unique` ON `datasets` (`id`);--> statement-breakpoint
CREATE INDEX `datasets_by_name` ON `datasets` (`tenant`,`name`,`version`);--> statement-breakpoint
CREATE TABLE `job_events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`job` text NOT NULL,
	`created_at` integer NOT NULL,
	`level` text NOT NULL,
	`message` text NOT NULL,
	`data` text
);
--> statement-breakpoint
CREATE INDEX `job_events_by_job` ON `job_events` (`job`,`seq`);--> statement-breakpoint
CREATE TABLE `job_metrics` (
	`job` text NOT NULL,
	`step` integer NOT NULL,
	`values` text NOT NULL,
	PRIMARY KEY(`job`, `step`)
);
--> statement-breakpoint
CREATE TABLE `job_samples` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`job` text NOT NULL,
	`step` integer NOT NULL,
	`split` text NOT NULL,
	`index` integer NOT NULL,
	`body` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `job_samples_by_place` ON `job_samples` (`job`,`step`,`split`,`index`);--> statement-breakpoint
CREATE TABLE `jobs` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`name` text,
	`type` text NOT NULL,
	`state` text DEFAULT 'queued' NOT NULL,
	`spec` text NOT NULL,
	`result` text,
	`error` text,
	`attempt` integer DEFAULT 0 NOT NULL,
	`tries` integer DEFAULT 0 NOT NULL,
	`fence` integer DEFAULT 0 NOT NULL,
	`worker` text,
	`lease_expires_at` integer DEFAULT 0 NOT NULL,
	`not_before` integer DEFAULT 0 NOT NULL,
	`cancel_requested` integer DEFAULT false NOT NULL,
	`pause_requested` integer DEFAULT false NOT NULL,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`finished_at` integer,
	`updated_at` integer NOT NULL,
	`revision` integer DEFAULT 0 NOT NULL,
	`idempotency_key` text,
	`request_sha256` text,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_id_unique` ON `jobs` (`id`);--> statement-breakpoint
CREATE INDEX `jobs_by_tenant` ON `jobs` (`tenant`,`seq`);--> statement-breakpoint
CREATE INDEX `jobs_by_state` ON `jobs` (`state`,`seq`);--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_by_idempotency_key` ON `jobs` (`tenant`,`idempotency_key`);--> statement-breakpoint
CREATE TABLE `judges` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`name` text,
	`version` integer NOT NULL,
	`body` text NOT NULL,
	`secret` text,
	`created_at` integer NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `judges_id_unique` ON `judges` (`id`);--> statement-breakpoint
CREATE INDEX `judges_by_name` ON `judges` (`tenant`,`name`,`version`);--> statement-breakpoint
CREATE TABLE `judgments` (
	`key` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `keys` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`name` text,
	`version` integer NOT NULL,
	`body` text NOT NULL,
	`secret` text,
	`created_at` integer NOT NULL,
	`deleted_at` integer,
	`sha256` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `keys_id_unique` ON `keys` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `keys_sha256_unique` ON `keys` (`sha256`);--> statement-breakpoint
CREATE INDEX `keys_by_tenant` ON `keys` (`tenant`,`seq`);--> statement-breakpoint
CREATE TABLE `models` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`name` text,
	`version` integer NOT NULL,
	`body` text NOT NULL,
	`secret` text,
	`created_at` integer NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `models_id_unique` ON `models` (`id`);--> statement-breakpoint
CREATE INDEX `models_by_name` ON `models` (`tenant`,`name`,`version`);--> statement-breakpoint
CREATE TABLE `recipes` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant` text NOT NULL,
	`name` text,
	`version` integer NOT NULL,
	`body` text NOT NULL,
	`secret` text,
	`created_at` integer NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `recipes_id_unique` ON `recipes` (`id`);--> statement-breakpoint
CREATE INDEX `recipes_by_name` ON `recipes` (`tenant`,`name`,`version`);