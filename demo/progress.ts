const WIDTH = 24
/** Without a terminal, a line is printed at each tenth of the way instead of a bar that moves. */
const LINES = 10

/** A bar that is drawn over itself: title, how far, how long, and a few words. */
export function progress(title: string, total: number) {
  const started = performance.now()
  const live = process.stdout.isTTY
  let printed = -1
  let last = ''
  const draw = (done: number, words: string) => {
    const share = Math.min(1, done / total)
    const filled = Math.round(share * WIDTH)
    const seconds = Math.round((performance.now() - started) / 1000)
    last = words
    const text = `${title} [${'█'.repeat(filled)}${'·'.repeat(WIDTH - filled)}] ${done}/${total}  ${seconds} s  ${words}`
    if (live) process.stdout.write(`\r\x1b[2K${text}`)
    else if (Math.floor(share * LINES) > printed) {
      printed = Math.floor(share * LINES)
      console.log(text)
    }
  }
  return {
    update: draw,
    end() {
      if (!live) return
      draw(total, last)
      process.stdout.write('\n')
    },
  }
}
