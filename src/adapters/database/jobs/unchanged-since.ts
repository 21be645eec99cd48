import { and, eq, isNull } from 'drizzle-orm'
import type { JobRow } from '../../../service/database.ts'
import { jobs } from '../tables.ts'

/** A condition that holds while nobody has changed or deleted a job since it was read; deleting raises no revision. */
export const unchangedSince = ({ id, revision }: JobRow) =>
  and(eq(jobs.id, id), eq(jobs.revision, revision), isNull(jobs.deletedAt))
