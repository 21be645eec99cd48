import { sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'

/**
 * Ids of unfinished jobs that need a resource: what is needed must not be deleted. A message names them, so ten will do.
 *
 * A job may need a thing that its spec does not name, since a model can be made of a checkpoint, a judge of a model, and
 * an ensemble of judges. So the query walks: from the resource to what is made of it, to what is made of that, and so on.
 * UNION drops what it has met before, so the walk ends.
 *
 * It looks for ids by their JSON, quotes included, in the whole text of a spec or body. That needs no list of the fields
 * that can hold one, which each new kind of job would have to add to. With its quotes, an id is not found in a longer one
 * or within a prompt, where JSON writes quotes as \". `instr` and not LIKE: there `_` is any character, and D1 takes
 * patterns of 50 bytes only.
 */
export async function activeJobsWith(db: DrizzleD1Database, tenant: string, resourceId: string): Promise<string[]> {
  const rows = await db.all<{ id: string }>(sql`
    WITH RECURSIVE
      made AS (
        SELECT id, body FROM models WHERE tenant = ${tenant} AND deleted_at IS NULL
        UNION ALL SELECT id, body FROM judges WHERE tenant = ${tenant} AND deleted_at IS NULL
      ),
      needed (name) AS (
        SELECT ${JSON.stringify(resourceId)}
        UNION SELECT json_quote(made.id) FROM made JOIN needed ON instr(made.body, needed.name) > 0
      )
    SELECT id FROM jobs
    WHERE state IN ('queued', 'running', 'paused') AND tenant = ${tenant} AND deleted_at IS NULL
      AND EXISTS (SELECT 1 FROM needed WHERE instr(spec, needed.name) > 0)
    ORDER BY seq LIMIT 10`)
  return rows.map((row) => row.id)
}
