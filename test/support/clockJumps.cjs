// Loaded before a program: its wall clock is set a day ahead, back, a day behind, and so on, every 300 milliseconds. What is
// monotonic goes on as it is.
const RealDate = Date
const real = RealDate.now
const DAY = 86_400_000
const offsets = [0, DAY, 0, -DAY]
const started = real()
const now = () => {
  const at = real()
  return at + (offsets[Math.floor((at - started) / 300) % offsets.length] ?? 0)
}
globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(now())
    else super(...args)
  }
  static now() {
    return now()
  }
}
