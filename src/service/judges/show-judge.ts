import { MAX_ANSWER_CHARS } from '../../core/judges/template.ts'
import type { Judge } from '../../core/schemas/judge.ts'
import type { JudgeBody, ResourceRow } from '../database.ts'
import { resourceHeader } from '../resource-header.ts'

/** What judges stored by earlier versions of Gavel lack. */
const DEFAULTS = { debias: [], max_answer_chars: MAX_ANSWER_CHARS }

/** A judge as the API gives it. */
export const showJudge = (row: ResourceRow<JudgeBody>): Judge =>
  ({ ...resourceHeader(row, 'judge'), version: row.version, ...DEFAULTS, ...row.body }) as Judge
