CREATE TABLE `reservations` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant` text NOT NULL,
	`payer` text NOT NULL,
	`items` integer NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `reservations_by_payer` ON `reservations` (`tenant`,`payer`);--> statement-breakpoint
CREATE TABLE `usage_entries` (
	`id` text PRIMARY KEY NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `usage_entries_by_time` ON `usage_entries` (`created_at`);--> statement-breakpoint
CREATE TABLE `write_probes` (
	`id` integer PRIMARY KEY NOT NULL,
	`body` blob NOT NULL
);
--> statement-breakpoint
ALTER TABLE `usage` ADD `uncounted` integer DEFAULT 0 NOT NULL;