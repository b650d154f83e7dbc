/**
 * Nearest known name to a mistyped one.
 *
 * @since 0.1.0
 */

/** Optimal string alignment distance: insert, delete, replace and swap of neighbours each cost 1. */
const distance = (a: string, b: string): number => {
  let beforePrevious: Array<number> = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforePrevious[j - 2] ?? 0) + 1)
      }
      current.push(best)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[b.length] ?? 0
}

/**
 * The known name that was most likely meant, or nothing when none is near. A name that differs only in case, `_` or `-`
 * always wins.
 *
 * @since 0.1.0
 * @category utils
 */
export const didYouMean = (name: string, known: Iterable<string>): string | undefined => {
  // The cost is quadratic in the name's length, and nobody mistypes a name into 64 characters.
  if (name.length > 64) return undefined
  const plain = name.toLowerCase().replace(/[_-]/g, "")
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(plain.length / 3)) + 1
  for (const candidate of known) {
    const lower = candidate.toLowerCase()
    if (lower === plain) return candidate
    if (Math.abs(lower.length - plain.length) >= bestDistance) continue
    const found = distance(plain, lower)
    if (found < bestDistance) {
      best = candidate
      bestDistance = found
    }
  }
  return best
}
