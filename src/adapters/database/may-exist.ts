/** No id is longer (`newId` of service/ids.ts), nor any name (`NAME` of core/schemas/fields.ts). */
const LONGEST = 128

/** Whether there can be anything of an id or name. What cannot be there need not reach the database, however long it is. */
export const mayExist = (idOrName: string): boolean => idOrName.length <= LONGEST
