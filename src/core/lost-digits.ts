/** Whether a value is a whole number of more digits than JSON's numbers keep: its last ones were lost when it was read. */
export const hasLostDigits = (value: unknown): boolean => Number.isInteger(value) && !Number.isSafeInteger(value)

/** What is to be said of such a number, after its field. */
export const LOST_DIGITS =
  "is a number of more digits than JSON's numbers keep, so its last ones are lost already; send it as text"
