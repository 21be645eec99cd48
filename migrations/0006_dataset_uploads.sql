CREATE TABLE `dataset_uploads` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant` text NOT NULL,
	`name` text,
	`base` text,
	`body` text NOT NULL,
	`revision` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`completed_at` integer
);
--> statement-breakpoint
CREATE INDEX `dataset_uploads_by_expiry` ON `dataset_uploads` (`expires_at`);
--> statement-breakpoint
UPDATE `datasets` SET `body` = json_remove(json_set(`body`, '$.segments', json_array(json_object('blob', `body` ->> '$.blob', 'bytes', `body` -> '$.bytes', 'rows', `body` -> '$.rows', 'line', 1, 'sha256', `body` ->> '$.sha256'))), '$.blob') WHERE `body` ->> '$.blob' IS NOT NULL;
