-- The event of a change of state says why: what a job failed of, and what puts it back into the queue.
DROP TRIGGER `job_state_event`;
--> statement-breakpoint
CREATE TRIGGER `job_state_event` AFTER UPDATE ON `jobs`
WHEN OLD.`state` <> NEW.`state` OR OLD.`fence` <> NEW.`fence` BEGIN
  INSERT INTO `job_events` (`job`, `created_at`, `level`, `message`, `data`)
  VALUES (
    NEW.`id`,
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
