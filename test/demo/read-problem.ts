/**
 * Reads a word problem as a person would, sentence by sentence, and answers it. Written from the sentences alone, so
 * that it checks what the generator says about them.
 */
type Reading = [RegExp, (count: number, ...numbers: number[]) => number]

const READINGS: Reading[] = [
  [/owns (\d+) \w+\. \w+ owns (\d+) times as many as/, (_, a, b) => a * b],
  [/owns (\d+) \w+\. \w+ owns half as many as/, (_, a) => a / 2],
  [/holds (\d+) \w+\. \w+ holds (\d+) fewer than/, (_, a, b) => a - b],
  [/counts (\d+) \w+\. \w+ counts (\d+) more than/, (_, a, b) => a + b],
  [/(\d+) \w+ are dealt out equally to (\d+) players\. \w+ is one of the players/, (_, a, b) => a / b],
  [/carries (\d+) crates, and each crate holds (\d+)/, (_, a, b) => a * b],
  [/sets out (\d+) trays with (\d+)/, (_, a, b) => a * b],
  [/For (\d+) weeks \w+ saves (\d+) \w+ every week/, (_, a, b) => a * b],
  [/A hall has (\d+) corners with (\d+)/, (_, a, b) => a * b],
  [/has (\d+) large \w+ and (\d+) small/, (_, a, b) => a + b],
  [/On Monday \w+ receives (\d+) \w+, and on Tuesday (\d+) more/, (_, a, b) => a + b],
  [/\w+ (?:owns|keeps|discovers|brings) (\d+)/, (_, a) => a],
  [/hands (?:him|her) (\d+) more/, (x, c) => x + c],
  [/is given (\d+) \w+ as a prize/, (x, c) => x + c],
  [/spots (\d+) more in the street/, (x, c) => x + c],
  [/orders (\d+) extra/, (x, c) => x + c],
  [/passes (\d+) of them on to/, (x, c) => x - c],
  [/drops (\d+) into the river/, (x, c) => x - c],
  [/(\d+) of them are too dirty/, (x, c) => x - c],
  [/borrows (\d+) and never returns them/, (x, c) => x - c],
  [/spends (\d+) of them on a project/, (x, c) => x - c],
  [/sells (\d+) to/, (x, c) => x - c],
  [/By noon the number of \w+ has doubled/, (x) => x * 2],
  [/A month later \w+ has three times as many/, (x) => x * 3],
  [/Half of them go missing/, (x) => x / 2],
  [/adds (\d+) bundles of (\d+)/, (x, c, d) => x + c * d],
  [/leaves (\d+) with each of (\d+) cousins/, (x, c, d) => x - c * d],
  [/sells every one for (\d+) dollars\. How many dollars/, (x, e) => x * e],
  [/Every one weighs (\d+) ounces\. How many ounces/, (x, e) => x * e],
  [/divides them evenly among (\d+) classmates\. How many does one/, (x, e) => x / e],
  [/bags that hold (\d+) each\. How many bags/, (x, e) => x / e],
  [/would like to reach (\d+) \w+\. How many are still missing/, (x, e) => e - x],
  [/\w+ has (\d+) \w+\. How many more than/, (x, e) => x - e],
  [/\w+ has (\d+) \w+\. How many \w+ do \w+ and \w+ have in all/, (x, e) => x + e],
]

/** The answer to a question, from its text. */
export function readProblem(question: string): number {
  const told = READINGS.flatMap(([sentence, apply]) => {
    const match = sentence.exec(question)
    return match
      ? [{ at: match.index, end: match.index + match[0].length, numbers: match.slice(1).map(Number), apply }]
      : []
  })
  // A short sentence that lies inside a longer one ("Ann owns 6 keys" in "Ann owns 6 keys. Ben owns half …") is no event.
  const events = told.filter((a, i) => !told.some((b, j) => j < i && a.at < b.end && b.at < a.end))
  return events.sort((a, b) => a.at - b.at).reduce((count, { apply, numbers }) => apply(count, ...numbers), NaN)
}
