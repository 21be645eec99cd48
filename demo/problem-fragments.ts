/**
 * The pieces a word problem is made of: one opening, up to two events, one closing, now and then a sentence
 * whose number does not matter. An id is part of what decides whether a combination is held out: keep ids as
 * they are, or train the demo's models again.
 *
 * Slots: {N} the person asked about, {S} and {H} the pronouns for them, {F} and {G} two others, {o} the things;
 * {a} {b} {c} {d} {e} {z} numbers.
 */
export type Operator = '+' | '-' | '*' | '/'

/** Gives the first count: `a` itself, or `a op b`, or `a op by`. */
export interface Opening {
  id: string
  text: string
  op?: Operator
  by?: number
}

/** Changes the count x: `x op c`, or `x op by`, or, in packs, `x op (c*d)`. */
export interface Event {
  id: string
  text: string
  op: Operator
  by?: number
  packs?: true
}

/** Asks: for the count x itself, or `x op e`, or, of a goal, `e - x`. */
export interface Closing {
  id: string
  text: string
  op?: Operator
  goal?: true
}

export const OPENINGS: readonly Opening[] = [
  { id: 'owns', text: '{N} owns {a} {o}.' },
  { id: 'shelf', text: '{N} keeps {a} {o} on a shelf.' },
  { id: 'bed', text: '{N} discovers {a} {o} under the bed.' },
  { id: 'school', text: '{N} brings {a} {o} to school.' },
  { id: 'crates', text: '{N} carries {a} crates, and each crate holds {b} {o}.', op: '*' },
  { id: 'trays', text: '{N} sets out {a} trays with {b} {o} on each tray.', op: '*' },
  { id: 'weeks', text: 'For {a} weeks {N} saves {b} {o} every week.', op: '*' },
  { id: 'corners', text: 'A hall has {a} corners with {b} {o} in each corner, and {N} gathers them all.', op: '*' },
  { id: 'sizes', text: '{N} has {a} large {o} and {b} small {o}.', op: '+' },
  { id: 'monday', text: 'On Monday {N} receives {a} {o}, and on Tuesday {b} more.', op: '+' },
  { id: 'fewer', text: '{F} holds {a} {o}. {N} holds {b} fewer than {F}.', op: '-' },
  { id: 'beyond', text: '{F} counts {a} {o}. {N} counts {b} more than {F}.', op: '+' },
  { id: 'times', text: '{F} owns {a} {o}. {N} owns {b} times as many as {F}.', op: '*' },
  { id: 'halfof', text: '{F} owns {a} {o}. {N} owns half as many as {F}.', op: '/', by: 2 },
  { id: 'shared', text: '{a} {o} are dealt out equally to {b} players. {N} is one of the players.', op: '/' },
]

export const EVENTS: readonly Event[] = [
  { id: 'handed', text: '{F} hands {H} {c} more.', op: '+' },
  { id: 'prize', text: '{S} is given {c} {o} as a prize.', op: '+' },
  { id: 'street', text: '{S} spots {c} more in the street and takes them along.', op: '+' },
  { id: 'orders', text: '{S} orders {c} extra.', op: '+' },
  { id: 'passes', text: '{S} passes {c} of them on to {F}.', op: '-' },
  { id: 'river', text: '{S} drops {c} into the river.', op: '-' },
  { id: 'dirty', text: '{c} of them are too dirty and get thrown out.', op: '-' },
  { id: 'borrows', text: '{F} borrows {c} and never returns them.', op: '-' },
  { id: 'project', text: '{S} spends {c} of them on a project.', op: '-' },
  { id: 'corner', text: '{S} sells {c} to {F}.', op: '-' },
  { id: 'noon', text: 'By noon the number of {o} has doubled.', op: '*', by: 2 },
  { id: 'month', text: 'A month later {S} has three times as many.', op: '*', by: 3 },
  { id: 'missing', text: 'Half of them go missing.', op: '/', by: 2 },
  { id: 'bundles', text: '{S} adds {c} bundles of {d}.', op: '+', packs: true },
  { id: 'cousins', text: '{S} leaves {c} with each of {d} cousins.', op: '-', packs: true },
]

export const CLOSINGS: readonly Closing[] = [
  { id: 'howmany', text: 'How many {o} has {N} got now?' },
  { id: 'workout', text: 'Work out how many {o} {N} has at the end.' },
  { id: 'leftwith', text: 'What number of {o} is {N} left with?' },
  { id: 'dollars', text: '{S} sells every one for {e} dollars. How many dollars does {N} receive?', op: '*' },
  { id: 'ounces', text: 'Every one weighs {e} ounces. How many ounces is that in all?', op: '*' },
  { id: 'mates', text: '{S} divides them evenly among {e} classmates. How many does one classmate get?', op: '/' },
  { id: 'bags', text: '{S} puts them into bags that hold {e} each. How many bags does {N} fill?', op: '/' },
  { id: 'goal', text: '{S} would like to reach {e} {o}. How many are still missing?', op: '-', goal: true },
  { id: 'ahead', text: '{G} has {e} {o}. How many more than {G} does {N} have?', op: '-' },
  { id: 'inall', text: '{G} has {e} {o}. How many {o} do {N} and {G} have in all?', op: '+' },
]

export const DISTRACTORS: readonly string[] = [
  '{F} turned {z} this year.',
  'The bus ride lasts {z} minutes.',
  'It is {z} degrees outside.',
  '{z} birds sit on the roof.',
  '{F} lives at number {z}.',
]

export const OBJECTS: readonly string[] = words(
  'badges bottles brushes candies caps chairs cups feathers jars keys kites lemons masks nuts pebbles pictures plates ' +
    'ribbons spoons tickets',
)

/** Names of training problems, by the pronoun that goes with them. */
export const NAMES: Record<Gender, readonly string[]> = {
  he: words('Alan Bill Carlos Dirk Emil Frank Greg Henry Igor Jim Karl Lars Mark Nils Oscar Peter Rick Steve Tim Walt'),
  she: words(
    'Alice Beth Carol Diana Ella Fay Greta Helen Iris Judy Kim Laura Mary Nina Olive Paula Rita Susan Tess Vera',
  ),
}

/** Names that occur in held-out problems and nowhere else. */
export const HELDOUT_NAMES: Record<Gender, readonly string[]> = {
  he: words('Boris Cyrus Edgar Hector Jonas Marvin Simon Viktor'),
  she: words('Agnes Brenda Cora Doris Flora Heidi Monica Sylvia'),
}

/**
 * Training problems have made-up names of two or three of these now and then, so that no model learns that a name is
 * one of forty. No held-out name can come out of them.
 */
export const SYLLABLES: readonly string[] = words(
  'ba be bi da de do fa fi fo ga ge gu ha he hi ja jo ka ki ko la le lu ma mi mu na ne nu pa pe pi ra re ro sa si su ta to tu vi zo',
)

export type Gender = 'he' | 'she'

function words(text: string): string[] {
  return text.split(' ')
}
