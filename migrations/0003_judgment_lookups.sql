CREATE TABLE `judgment_lookups` (
	`judge` text PRIMARY KEY NOT NULL,
	`hits` integer NOT NULL,
	`misses` integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE `judgments` ADD `judge` text DEFAULT '' NOT NULL;--> statement-breakpoint
CREATE INDEX `judgments_by_judge` ON `judgments` (`judge`);