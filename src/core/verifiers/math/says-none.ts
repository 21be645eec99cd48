/** Whether words say that there is no such thing. */
export const saysNone = (text: string) => NONE.test(text)
const NONE = /^(?:∅|none|no(?: real| integer)? solutions?|no such (?:number|value)s?|(?:the )?empty set|\{\})$/i
