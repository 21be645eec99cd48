CREATE TABLE `rate_windows` (
	`key` text PRIMARY KEY NOT NULL,
	`start` integer NOT NULL,
	`used` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `usage` (
	`tenant` text NOT NULL,
	`day` text NOT NULL,
	`payer` text NOT NULL,
	`judge` text NOT NULL,
	`items` integer NOT NULL,
	`cached` integer NOT NULL,
	`abstained` integer NOT NULL,
	`failed` integer NOT NULL,
	`prompt_tokens` integer NOT NULL,
	`completion_tokens` integer NOT NULL,
	`cost` real NOT NULL,
	PRIMARY KEY(`tenant`, `day`, `payer`, `judge`)
);
--> statement-breakpoint
CREATE INDEX `usage_by_payer` ON `usage` (`tenant`,`payer`,`day`);