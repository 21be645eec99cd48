-- Every change of a job's state, and every claim, leaves an event: in the same statement, so none is ever lost.
CREATE TRIGGER `job_created_event` AFTER INSERT ON `jobs` BEGIN
  INSERT INTO `job_events` (`job`, `created_at`, `level`, `message`, `data`)
  VALUES (NEW.`id`, NEW.`created_at`, 'info', 'job is queued', json_object('state', NEW.`state`));
END;
--> statement-breakpoint
CREATE TRIGGER `job_state_event` AFTER UPDATE ON `jobs`
WHEN OLD.`state` <> NEW.`state` OR OLD.`fence` <> NEW.`fence` BEGIN
  INSERT INTO `job_events` (`job`, `created_at`, `level`, `message`, `data`)
  VALUES (
    NEW.`id`,
    NEW.`updated_at`,
    CASE NEW.`state` WHEN 'failed' THEN 'error' ELSE 'info' END,
    'job is ' || NEW.`state`,
    json_object('state', NEW.`state`, 'attempt', NEW.`attempt`, 'worker', NEW.`worker`, 'error', json(NEW.`error`))
  );
END;
