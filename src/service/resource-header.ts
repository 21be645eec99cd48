/** What a resource shows first. */
export const resourceHeader = (row: { id: string; name: string | null; createdAt: number }, object: string) => ({
  id: row.id,
  object,
  name: row.name,
  created_at: unixSeconds(row.createdAt),
})

export const unixSeconds = (ms: number): number => Math.floor(ms / 1000)
