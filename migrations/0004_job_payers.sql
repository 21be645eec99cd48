-- Lines of jobs stood under the job's id; whose key made those jobs is not known.
CREATE TABLE `__new_usage` (
	`tenant` text NOT NULL,
	`day` text NOT NULL,
	`payer` text NOT NULL,
	`judge` text NOT NULL,
	`job` text DEFAULT '' NOT NULL,
	`items` integer NOT NULL,
	`cached` integer NOT NULL,
	`abstained` integer NOT NULL,
	`failed` integer NOT NULL,
	`prompt_tokens` integer NOT NULL,
	`completion_tokens` integer NOT NULL,
	`cost` real NOT NULL,
	PRIMARY KEY(`tenant`, `day`, `payer`, `judge`, `job`)
);
--> statement-breakpoint
INSERT INTO `__new_usage`("tenant", "day", "payer", "judge", "job", "items", "cached", "abstained", "failed", "prompt_tokens", "completion_tokens", "cost") SELECT "tenant", "day", CASE WHEN "payer" LIKE 'job\_%' ESCAPE '\' THEN '' ELSE "payer" END, "judge", CASE WHEN "payer" LIKE 'job\_%' ESCAPE '\' THEN "payer" ELSE '' END, "items", "cached", "abstained", "failed", "prompt_tokens", "completion_tokens", "cost" FROM `usage`;--> statement-breakpoint
DROP TABLE `usage`;--> statement-breakpoint
ALTER TABLE `__new_usage` RENAME TO `usage`;--> statement-breakpoint
CREATE INDEX `usage_by_payer` ON `usage` (`tenant`,`payer`,`day`);--> statement-breakpoint
ALTER TABLE `jobs` ADD `key` text;