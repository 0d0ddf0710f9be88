/** Lines of unchanged text around a change. */
const context = 3
/** Lines shown at most: who changed everything does not read on. */
const most = 120

/** Which lines of a text differ from another, as `diff -u` shows it. */
export function describeDifference(expected: string, actual: string): string {
  const lines = compareLines(expected.split('\n'), actual.split('\n'))
  const shown: string[] = []
  let skipped = false
  for (const [index, line] of lines.entries()) {
    const near = lines.slice(Math.max(0, index - context), index + context + 1).some((l) => !l.startsWith(' '))
    if (!near) {
      skipped = true
      continue
    }
    if (skipped) shown.push('@@')
    skipped = false
    shown.push(line)
  }
  if (shown.length <= most) return shown.join('\n')
  return [...shown.slice(0, most), `... and ${shown.length - most} more lines`].join('\n')
}

/** Every line with ' ', '-' or '+' before it. */
function compareLines(before: readonly string[], after: readonly string[]): string[] {
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) start++
  let end = 0
  const room = Math.min(before.length, after.length) - start
  while (end < room && before.at(-1 - end) === after.at(-1 - end)) end++
  const changed = compareMiddle(before.slice(start, before.length - end), after.slice(start, after.length - end))
  const keep = (line: string) => ` ${line}`
  return [...before.slice(0, start).map(keep), ...changed, ...before.slice(before.length - end).map(keep)]
}

/** By the longest common subsequence; quadratic, which is fine for what is left of a golden file. */
function compareMiddle(before: readonly string[], after: readonly string[]): string[] {
  const width = after.length + 1
  const longest = new Uint32Array((before.length + 1) * width)
  const at = (i: number, j: number) => longest[i * width + j] ?? 0
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      longest[i * width + j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  const lines: string[] = []
  let i = 0
  let j = 0
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push(` ${before[i]}`)
      i++
      j++
    } else if (j >= after.length || (i < before.length && at(i + 1, j) >= at(i, j + 1))) lines.push(`-${before[i++]}`)
    else lines.push(`+${after[j++]}`)
  }
  return lines
}
