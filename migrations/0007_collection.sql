ALTER TABLE `jobs` ADD `collect_at` integer;--> statement-breakpoint
CREATE INDEX `jobs_by_collection` ON `jobs` (`collect_at`);--> statement-breakpoint
-- What jobs that were deleted before left behind. Their checkpoints stay, as was said then.
DELETE FROM `job_events` WHERE `job` IN (SELECT `id` FROM `jobs` WHERE `deleted_at` IS NOT NULL);--> statement-breakpoint
DELETE FROM `job_metrics` WHERE `job` IN (SELECT `id` FROM `jobs` WHERE `deleted_at` IS NOT NULL);--> statement-breakpoint
DELETE FROM `job_samples` WHERE `job` IN (SELECT `id` FROM `jobs` WHERE `deleted_at` IS NOT NULL);
