import * as v from 'valibot'
import { fields, integer, MAX_PAGE } from '../../core/schemas/fields.ts'
import type { Page, Paged } from '../../service/database.ts'

const after = v.optional(v.pipe(v.string(), v.maxLength(128), v.description('The last id of the page before.')))

/** `?after&limit`, with more parameters where a list has some. */
export const pageQuery = <E extends v.ObjectEntries = Record<never, never>>(more: E = {} as E, defaultLimit = 20) =>
  fields({
    after,
    limit: v.optional(integer(1, MAX_PAGE, `Most rows of the page. Default ${defaultLimit}.`), defaultLimit),
    ...more,
  })

/** Lets `list` fetch a page and shows its rows in OpenAI's form. */
export async function page<Row>(query: Page, list: (page: Page) => Promise<Paged<Row>>, show: (row: Row) => unknown) {
  const { rows, more } = await list(query)
  return { object: 'list', data: rows.map(show), has_more: more }
}
