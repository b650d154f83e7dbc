/**
 * Sizes as MediaMTX writes them: a number with a unit, in text (`50M`, `1.5GiB`, `512B`).
 *
 * @since 0.1.0
 */
import { type FieldType, problem, textWith } from "./FieldType.js"

const syntax = /^\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(B|[KMGTPE](?:I?B)?)\s*$/i
const exponents = "BKMGTPE"
const limit = 2 ** 64

/**
 * Bytes of a size, or `undefined` when MediaMTX would not take it. All units are powers of 1024, whatever they are called.
 *
 * @since 0.1.0
 * @category conversions
 */
export const stringSizeToBytes = (text: string): number | undefined => {
  const match = syntax.exec(text)
  if (match === null) return undefined
  const amount = Number(match[1])
  const bytes = Math.floor(amount * 1024 ** exponents.indexOf((match[2] ?? "B").slice(0, 1).toUpperCase()))
  return amount < 0 || bytes >= limit ? undefined : bytes
}

/**
 * A text for so many bytes that reads back as the same number: the largest unit that divides it (`50M`, `1025B`).
 *
 * @since 0.1.0
 * @category conversions
 */
export const stringSizeFromBytes = (bytes: number): string => {
  const whole = Math.max(0, Math.floor(bytes))
  let exponent = 0
  while (exponent < 6 && whole !== 0 && whole % 1024 ** (exponent + 1) === 0) exponent++
  return `${whole / 1024 ** exponent}${exponents[exponent] ?? "B"}`
}

const expected = 'a size as text with its unit, such as "50M" or "512K"'

/**
 * A size: text with a unit, `50M`. A bare number is refused by the loader.
 *
 * @since 0.1.0
 * @category types
 */
export const StringSize: FieldType<string> = textWith({
  name: "size",
  expected,
  onNull: "refused",
  fromNumber: (value) => stringSizeFromBytes(value),
  meaning: (value) => stringSizeToBytes(value) ?? value,
  check: (value) =>
    stringSizeToBytes(value) === undefined
      ? problem(
          "invalid-size",
          `${JSON.stringify(value.slice(0, 60))} is not a size`,
          expected,
          /^[0-9]+$/.test(value) && Number(value) < limit
            ? JSON.stringify(stringSizeFromBytes(Number(value)))
            : undefined
        )
      : undefined
})
