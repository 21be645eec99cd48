import { and, asc, eq, sql } from 'drizzle-orm'
import type { DrizzleD1Database } from 'drizzle-orm/d1'
import type { Sample } from '../../../core/schemas/job.ts'
import type { Paged, SamplePage } from '../../../service/database.ts'
import { paged } from '../resource-table.ts'
import { jobSamples } from '../tables.ts'
import { cursorNumber } from './cursor-number.ts'

/**
 * Samples in the order of their places, which is not that of their coming: workers post them as they are done. The cursor
 * names a row, and the page goes on beyond that row's place, which the unique index finds without reading the rows before.
 */
export async function listSamples(
  db: DrizzleD1Database,
  job: string,
  { after, limit, step }: SamplePage,
): Promise<Paged<Sample & { id: string }>> {
  const t = jobSamples
  const place = sql`(${t.step}, ${t.split}, ${t.index})`
  const beyond =
    after === undefined
      ? undefined
      : sql`${place} > (SELECT step, split, "index" FROM job_samples WHERE job = ${job} AND seq = ${cursorNumber(after)})`
  const rows = await db
    .select({ seq: t.seq, body: t.body })
    .from(t)
    .where(and(eq(t.job, job), step === undefined ? undefined : eq(t.step, step), beyond))
    .orderBy(asc(t.step), asc(t.split), asc(t.index))
    .limit(limit + 1)
  const samples = rows.map(({ seq, body }) => ({ id: String(seq), ...body }))
  return paged(samples, limit)
}
