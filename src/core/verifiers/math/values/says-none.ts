const KIND = '(?:real|integer|integral|rational|positive|negative|whole|natural|valid|possible|complex|such)'
const THING = '(?:solutions?|roots?|values?|numbers?|zeros?|zeroes|integers?|pairs?|[a-z])'
const FORMS = [
  '∅|none(?: exists?)?|(?:the )?(?:empty|null) set|\\{\\}|unsolvable|impossible',
  `(?:there (?:is|are|exists?) |(?:the|this) (?:equation|system|inequality|problem) has |it has |has )?no (?:${KIND} ){0,3}${THING}(?: exists?)?(?: for [a-z])?`,
  `(?:there (?:is|are) )?none|(?:the|this) (?:equation|system|inequality) is (?:inconsistent|unsolvable)`,
  `(?:the|this) (?:equation|system|inequality) (?:does not|doesn['’]t) have (?:a|any) (?:${KIND} ){0,3}(?:solutions?|roots?)`,
  `(?:there (?:is not|isn['’]t|are not|aren['’]t)) (?:a|any) (?:${KIND} ){0,3}(?:solutions?|roots?)`,
  `(?:a |the )?(?:real )?solutions? (?:does|do) not exist`,
]
const NONE = new RegExp(`^(?:${FORMS.join('|')})$`, 'i')

/** Whether words say that there is no such thing. */
export const saysNone = (text: string): boolean => text.length <= 80 && NONE.test(text.trim())
