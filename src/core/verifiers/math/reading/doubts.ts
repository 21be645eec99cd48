/** How a text says that what it names is not the answer, may not be, or is only a bound of it. */

const THAT = '(?: that| if| whether| to be)?'
/** Said before "the answer is …". */
const DENIALS = [
  `(?:\\bnot|n['’]t|\\bnever|\\bhardly)(?: [a-z]+){0,1}? (?:true|the case|correct|right|clear|certain|sure|convinced|think|thinking|believe|say|saying|said|claim|mean|agree|possible|likely|follow|prove[ns]?)${THAT}`,
  `(?<!\\b(?:no|without|beyond|without a|never|not) )\\bdoubt(?:s|ed|ful)?${THAT}`,
  `\\b(?:den(?:y|ies|ied)|disput(?:e|es|ed)|reject(?:s|ed)?|disagree(?:s|d)?)${THAT}`,
  `\\b(?:some|many|most|people|others|one)(?: might| would| may| could)? (?:say|think|claim|believe|guess|argue)${THAT}`,
  `\\bquestion(?:s|ed|able)? (?:that|if|whether)`,
  `\\b(?<!(?:not|n['’]t|never) )(?:unsure|uncertain|unclear|false|untrue|unlikely|impossible|wrong|incorrect|mistaken)${THAT}`,
  `\\b(?:false|wrong|incorrect|mistake|misleading|silly) to (?:say|think|claim|believe|conclude)${THAT}`,
  `\\b(?:who (?:says|said|claims)|what if|even if|as if|pretend(?:ing)?|suppose|imagine|(?:nobody|no one)(?: [a-z]+)? (?:says?|said|thinks?|believes?|claims?))${THAT}`,
].join('|')
const NOUN = '(?:(?:the|my|its|his|her|their|our|your|this) )?(?:(?:final|correct|right|true) )?'

/** Stands before "answer" where what follows is denied or doubted. */
export const DENIED_BEFORE = `(?:${DENIALS}) ${NOUN}`

/** A sentence that denies what it says. */
export const DENIES = new RegExp(`(?:${DENIALS}) (?=\\S)`, 'i')

const ASKED = String.raw`(?<!\b(?:needs?|needed|requires?|required|must|should|ha(?:s|ve) to)(?: (?!be )\w+){0,3} (?:a )?)`
/** What stands before a number that is not the answer, or only bounds it. `needs at least 24` says what is asked for. */
const BEFORE = new RegExp(
  [
    String.raw`(?:(?:\b(?:can)?not|n['’]t)(?: (?:be|equal(?: to)?|have|all|just|only|necessarily|exactly|quite|really|actually|simply|even|close to|near))?|\bno longer|\brather than|\binstead of|\bnever|\bhardly|\bused to be|\banything but|\bother than|\bdifferent from|\bfar from|\bnowhere near|\bunlikely to be|\bexcept(?: for)?|\bexcluding|\bapart from) $`,
    String.raw`\b(?:less|more|fewer|greater|smaller|larger|higher|lower|upwards|north|south) (?:than|of)(?: or equal to)? $`,
    String.raw`\b(?:at|a|the) (?:very )?most $|\b(?:maximum|max) of $|\bas (?:many|much) as $`,
    String.raw`${ASKED}\bat (?:the very )?least $|${ASKED}\b(?:minimum|min) of $|\bas (?:few|little) as $`,
    String.raw`(?:\b(?:is|are|be|was|were|costs?|has|have|just|somewhere|anywhere) |^ ?)(?:over|under|above|below|beyond|up to|close to|almost|nearly) $`,
    String.raw`\b(?:all|any|every|everything|anything|each)\b[^.]{0,30} but(?: not)? $`,
    String.raw`\b(?:exceed(?:s|ing)?|surpass(?:es|ing)?) $`,
    String.raw`[<>≤≥≠] ?$`,
  ].join('|'),
  'i',
)
/** What stands behind a number that only bounds the answer. */
const BEHIND =
  /^ ?(?:[✗✘❌✖❎]|\((?:wrong|incorrect|false|rejected|(?:not|no)\b(?![^()]*\d))\b|\+(?!\s?[\d\\(])|,? (?:(?:\p{L}+ ){0,2})?(?:or|and) (?:more|less|greater|fewer|higher|lower|above|below|over|under|up|upwards?|beyond|smaller|larger|bigger|so many more)\b|,? (?:give or take|plus or minus)\b| (?:upwards?|onwards?)\b| or not\b| in base \d| or (?:its|the|an?|some|minus|negative|else|possibly|maybe|perhaps) (?!half\b)|,? (?:\p{L}+ )?(?:at (?:the )?(?:very )?(?:most|least)|(?:at )?(?:minimum|maximum)|tops|max|min)\b(?! (?:one|a|the)\b)|[^\d.]{0,20}\b(?:is|was|are) (?:wrong|incorrect|not (?:right|correct|the answer)|ruled out|impossible)\b)/iu

/** How far these are looked for. */
const REACH = 60

/** Whether a number in a text is said not to be the answer, or to be a bound of it: `17 (not 18)`, `5 or more`. */
export function isExcluded(text: string, start: number, end: number): boolean {
  return BEFORE.test(text.slice(Math.max(0, start - REACH), start)) || BEHIND.test(text.slice(end, end + REACH))
}

/** What goes on to another answer behind one that was stated: `5? Or maybe 6.` */
export const TAKES_BACK =
  /^[\s.?!,;:*)]*(?:or|no(?=,)|(?:oh )?wait\b|actually|correction|scratch that|i mean|make that|(?:or )?(?:maybe|perhaps|possibly|alternatively|conceivably)|it (?:could|might|may) (?:also )?be)\b,?[^.!?\n]{0,40}\d/i

/** What says of a stated answer only that it is one of those that follow. */
export const HEDGE =
  /^(?:(?:could|may|might|must|should|would|can) be )?(?:either|(?:somewhere |anywhere )?between|among|one of|any of|some of) (?=\S)|^(?:could|may|might|must|should|would|can) be (?=\S)/i

const NOT = /(?:\bnot|n['’]t|\bnever|\bcannot)(?: (?:be|equal(?: to)?|simply|really|actually))?\s*[$({\\[]*\s*$/i
const DENIED = new RegExp(`(?:${DENIALS})(?: ${NOUN}answer(?: is)?:?)?\\s*[$\\\\([]*\\s*$`, 'i')

/** Whether the words before an answer say that it is none. */
export const isDeniedBefore = (before: string): boolean => NOT.test(before) || DENIED.test(before)
