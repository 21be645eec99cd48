-- Events are counted per job, and a worker names each, so that one that is sent again is kept once.
DROP INDEX `job_events_by_job`;--> statement-breakpoint
ALTER TABLE `job_events` ADD `number` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `job_events` ADD `key` text;--> statement-breakpoint
-- Those that there are keep their numbers, which readers have: later ones of these jobs go on from there.
UPDATE `job_events` SET `number` = `seq`;--> statement-breakpoint
CREATE UNIQUE INDEX `job_events_by_number` ON `job_events` (`job`,`number`);--> statement-breakpoint
CREATE UNIQUE INDEX `job_events_by_key` ON `job_events` (`job`,`key`);--> statement-breakpoint
DROP TRIGGER `job_created_event`;
--> statement-breakpoint
CREATE TRIGGER `job_created_event` AFTER INSERT ON `jobs` BEGIN
  INSERT INTO `job_events` (`job`, `number`, `created_at`, `level`, `message`, `data`)
  VALUES (NEW.`id`, 1, NEW.`created_at`, 'info', 'job is queued', json_object('state', NEW.`state`));
END;
--> statement-breakpoint
DROP TRIGGER `job_state_event`;
--> statement-breakpoint
CREATE TRIGGER `job_state_event` AFTER UPDATE ON `jobs`
WHEN OLD.`state` <> NEW.`state` OR OLD.`fence` <> NEW.`fence` BEGIN
  INSERT INTO `job_events` (`job`, `number`, `created_at`, `level`, `message`, `data`)
  VALUES (
    NEW.`id`,
    (SELECT coalesce(max(`number`), 0) + 1 FROM `job_events` WHERE `job` = NEW.`id`),
    NEW.`updated_at`,
    CASE
      WHEN NEW.`state` = 'failed' THEN 'error'
      WHEN OLD.`state` = 'running' AND NEW.`state` = 'running' THEN 'warning'
      WHEN OLD.`state` = 'running' AND NEW.`state` IN ('queued', 'paused') AND NEW.`error` IS NOT NULL THEN 'warning'
      ELSE 'info'
    END,
    'job is ' || NEW.`state` || CASE
      WHEN NEW.`state` = 'failed' THEN coalesce(': ' || json_extract(NEW.`error`, '$.message'), '')
      WHEN OLD.`state` <> 'running' THEN ''
      WHEN NEW.`state` = 'running' THEN ' again: the worker that had it fell silent'
      WHEN NEW.`state` = 'queued' AND NEW.`error` IS NULL THEN ': its worker gave it back'
      WHEN NEW.`state` = 'queued' THEN ', for another try in ' || ((NEW.`not_before` - NEW.`updated_at` + 999) / 1000)
        || ' s: ' || json_extract(NEW.`error`, '$.message')
      WHEN NEW.`state` = 'paused' THEN coalesce(': ' || json_extract(NEW.`error`, '$.message'), '')
      ELSE ''
    END,
    json_object(
      'state', NEW.`state`, 'attempt', NEW.`attempt`, 'worker', NEW.`worker`,
      'error', json(CASE NEW.`state` WHEN 'running' THEN NULL ELSE NEW.`error` END)
    )
  );
END;
