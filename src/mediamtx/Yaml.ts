/**
 * Writes the YAML of a MediaMTX configuration, by hand, so that it is fast and cannot be misread.
 *
 * One value has one text, and that text means the same to every reader: MediaMTX's own loader (YAML 1.2 with octal,
 * binary and underscored numbers, and with `yes`/`no`/`on`/`off` as booleans), YAML 1.2 and YAML 1.1. Hence:
 *
 * - A string is written bare only if it is a word of ASCII letters, digits and `_` that begins with a letter and is
 *   none of the words that some YAML reads as a boolean, null or number. Every other string is in double quotes, on one
 *   line however long it is. Keys (path names such as `~^cam`, `yes`, `1`) follow the same rule.
 * - Control, invisible and direction-changing characters are escaped, so that what a person sees is what is there.
 * - `undefined` and `null` fields are left out: MediaMTX reads a null scalar as its zero value but refuses a null list, and
 *   "not set" is what both are meant to say. The one exception is an entry of the top-level `paths`: its null is the
 *   entry `{}`, because MediaMTX takes `cam:` as "this path, with all defaults". In a list they are an error.
 * - No anchors, tags, comments or document markers.
 *
 * Equal input gives equal bytes: fields come out in the order of `Object.keys`. Order your objects as you want to read
 * them; note that JavaScript moves keys that look like integers (`"1"`) to the front, always in the same way.
 *
 * Everything here is pure and synchronous and throws {@link YamlValueError}, which only happens for values that no
 * configuration can hold ({@link YamlValueError.reason}). Where values come from outside, use {@link stringifyEither}.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"

/**
 * What can be written. A `bigint` is for integers that a `number` cannot hold exactly; MediaMTX takes -2^63 to 2^64-1.
 *
 * @since 0.1.0
 * @category models
 */
export type YamlValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | ReadonlyArray<YamlValue>
  | { readonly [key: string]: YamlValue }

/**
 * The value cannot be written. `field` leads to it from the value that was given; `message` says what would be right.
 *
 * - `notFinite`: NaN or an infinity, which MediaMTX cannot load
 * - `integerRange`: a bigint that MediaMTX would read as text
 * - `loneSurrogate`: half of a UTF-16 pair, which has no UTF-8 form
 * - `nullInList`: `null` or `undefined` as an item of a list
 * - `keyTooLong`: a key whose text is over YAML's limit of 1024 characters
 * - `tooDeep`: over 64 levels, or an object that contains itself
 * - `notPlainData`: a Date, Map, Redacted, class instance, function or symbol
 *
 * @since 0.1.0
 * @category errors
 */
export class YamlValueError extends Schema.TaggedError<YamlValueError>()("YamlValueError", {
  reason: Schema.Literal(
    "notFinite",
    "integerRange",
    "loneSurrogate",
    "nullInList",
    "keyTooLong",
    "tooDeep",
    "notPlainData"
  ),
  field: Schema.Array(Schema.Union(Schema.String, Schema.Number)),
  message: Schema.String
}) {}

/**
 * The YAML text of a whole document, ending in a newline.
 *
 * For a mapping it is exactly the concatenation of {@link renderSection} over its fields, so a caller may cache sections.
 * An empty mapping is `{}`, never an empty text.
 *
 * @throws YamlValueError
 * @example
 * ```ts
 * import { stringify } from "@livecams/mtx-manager"
 *
 * stringify({ rtmp: false, rtspEncryption: "no", paths: { cam: { source: "publisher" } } })
 * // rtmp: false
 * // rtspEncryption: "no"
 * // paths:
 * //   cam:
 * //     source: publisher
 * ```
 * @since 0.1.0
 * @category encoding
 */
export const stringify = (value: YamlValue): string => {
  if (isMap(value)) {
    let out = ""
    for (const key of Object.keys(plain(value, []))) out += renderSection(key, value[key])
    return out === "" ? "{}\n" : out
  }
  if (value === null || value === undefined) return "null\n"
  if (isList(value)) return value.length === 0 ? "[]\n" : renderItems(value, "", [])
  return `${renderScalar(value, [])}\n`
}

/**
 * {@link stringify} with the error in the type, for values that come from outside.
 *
 * @since 0.1.0
 * @category encoding
 */
export const stringifyEither = (value: YamlValue): Either.Either<string, YamlValueError> =>
  Either.try({
    try: () => stringify(value),
    catch: (cause) => {
      if (cause instanceof YamlValueError) return cause
      throw cause
    }
  })

/**
 * One top-level field with its value, ending in a newline; empty if the value is `null` or `undefined`.
 *
 * `renderSection("paths", paths)` with entries is `"paths:\n"` followed by {@link renderPath} of each.
 *
 * @throws YamlValueError
 * @since 0.1.0
 * @category encoding
 */
export const renderSection = (key: string, value: YamlValue): string => {
  if (value === undefined || value === null) return ""
  const path: Path = [key]
  if (key !== "paths" || !isMap(value)) return renderKey(key, path) + renderValue(value, "", path)
  let out = ""
  for (const name of Object.keys(plain(value, path))) {
    const entry = value[name]
    if (entry !== undefined) out += renderPath(name, entry)
  }
  return out === "" ? "paths: {}\n" : `paths:\n${out}`
}

/**
 * One entry of `paths`, indented by two spaces, ending in a newline. No settings, `null` or `undefined` give `{}`.
 *
 * The text depends on the two arguments only: cache it beside the path's object and join the entries under `"paths:\n"`.
 *
 * @throws YamlValueError
 * @since 0.1.0
 * @category encoding
 */
export const renderPath = (name: string, pathConfig: YamlValue): string => {
  const path: Path = ["paths", name]
  return `  ${renderKey(name, path)}${renderValue(pathConfig ?? {}, "  ", path)}`
}

type Path = Array<string | number>
type YamlMap = { readonly [key: string]: YamlValue }

const MAX_DEPTH = 64
const MAX_KEY_LENGTH = 1024

const isList = (value: YamlValue): value is ReadonlyArray<YamlValue> => Array.isArray(value)

const isMap = (value: YamlValue): value is YamlMap =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const fail = (reason: YamlValueError["reason"], path: ReadonlyArray<string | number>, message: string): never => {
  const where = path.length === 0 ? "the value" : path.join(".")
  throw new YamlValueError({ reason, field: [...path], message: `${where} ${message}` })
}

/** Refuses objects whose content is not in their own fields: they would come out as `{}` and be lost without a word. */
const plain = (value: YamlMap, path: Path): YamlMap => {
  const prototype: unknown = Object.getPrototypeOf(value)
  // Object.prototype of any realm is the prototype that has none itself.
  return prototype === null || Object.getPrototypeOf(prototype) === null
    ? value
    : fail("notPlainData", path, "is an instance of a class; give a plain object, list, string, number or boolean")
}

/** What follows a key: `: scalar`, or a collection on the lines below it, indented deeper than `indent`. */
const renderValue = (value: YamlValue, indent: string, path: Path): string => {
  if (typeof value !== "object" || value === null) return `: ${renderScalar(value, path)}\n`
  if (path.length > MAX_DEPTH) fail("tooDeep", path, `is nested over ${MAX_DEPTH} levels deep, or contains itself`)
  if (isList(value)) return value.length === 0 ? ": []\n" : `:\n${renderItems(value, `${indent}  `, path)}`
  // The guards above leave only a mapping, which the index-signature type cannot express after `Array.isArray`.
  const entries = isMap(value) ? renderEntries(value, `${indent}  `, path) : ""
  return entries === "" ? ": {}\n" : `:\n${entries}`
}

const renderEntries = (map: YamlMap, indent: string, path: Path): string => {
  let out = ""
  for (const key of Object.keys(plain(map, path))) {
    const value = map[key]
    if (value === undefined || value === null) continue
    path.push(key)
    out += indent + renderKey(key, path) + renderValue(value, indent, path)
    path.pop()
  }
  return out
}

const renderItems = (list: ReadonlyArray<YamlValue>, indent: string, path: Path): string => {
  if (path.length > MAX_DEPTH) fail("tooDeep", path, `is nested over ${MAX_DEPTH} levels deep, or contains itself`)
  const inner = `${indent}  `
  let out = ""
  for (let index = 0; index < list.length; index++) {
    const value = list[index]
    path.push(index)
    let text: string
    if (isMap(value)) text = renderEntries(value, inner, path)
    else if (isList(value)) text = renderItems(value, inner, path)
    else text = `${inner}${renderScalar(value, path)}\n`
    if (text === "") text = isMap(value) ? `${inner}{}\n` : `${inner}[]\n`
    // "- " takes the place of the first line's last two spaces.
    out += `${indent}- ${text.slice(inner.length)}`
    path.pop()
  }
  return out
}

const renderScalar = (value: YamlValue, path: Path): string => {
  switch (typeof value) {
    case "string":
      return renderString(value, path)
    case "boolean":
      return value ? "true" : "false"
    case "number":
      return renderNumber(value, path)
    case "bigint":
      return value >= -(2n ** 63n) && value < 2n ** 64n
        ? value.toString()
        : fail("integerRange", path, "is an integer outside -2^63 to 2^64-1, which MediaMTX would read as text")
    default:
      return value === null || value === undefined
        ? fail("nullInList", path, "is null or undefined; leave the item out of the list")
        : fail("notPlainData", path, `is a ${typeof value}; give a plain object, list, string, number or boolean`)
  }
}

const renderNumber = (value: number, path: Path): string => {
  if (!Number.isFinite(value)) return fail("notFinite", path, `is ${value}; give a finite number`)
  // "0" for -0 too: MediaMTX has no negative zero.
  if (Number.isSafeInteger(value)) return value === 0 ? "0" : value.toString()
  const text = value.toString()
  // Integers over 2^53 need a dot to stay floats, and "1e+21" without a dot is text to MediaMTX and to YAML 1.1.
  if (text.includes(".")) return text
  const exponent = text.indexOf("e")
  return exponent === -1 ? `${text}.0` : `${text.slice(0, exponent)}.0${text.slice(exponent)}`
}

const renderKey = (key: string, path: Path): string => {
  const text = renderString(key, path)
  return text.length > MAX_KEY_LENGTH
    ? fail("keyTooLong", path.slice(0, -1), `has a key over ${MAX_KEY_LENGTH} characters, more than YAML allows`)
    : text
}

const WORD = 1
const PRINTABLE = 2

/** Class of each ASCII character; 0 is "must be escaped". */
const ascii = Uint8Array.from({ length: 128 }, (_, code) => {
  const char = String.fromCharCode(code)
  if (/[A-Za-z0-9_]/.test(char)) return WORD
  return code >= 0x20 && code < 0x7f && char !== '"' && char !== "\\" ? PRINTABLE : 0
})

/** In lower case. `inf` and `nan` are only numbers with a dot, but Go's and JavaScript's readers differ from each other. */
const reservedWords = new Set([
  "y",
  "n",
  "yes",
  "no",
  "on",
  "off",
  "true",
  "false",
  "null",
  "nil",
  "none",
  "inf",
  "nan"
])
const LONGEST_RESERVED = 5

const renderString = (text: string, path: Path): string => {
  const length = text.length
  if (length === 0) return '""'
  let word = true
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    const kind = code < 128 ? ascii[code] : 0
    if (kind === WORD) continue
    if (kind === 0) return escape(text, path)
    word = false
  }
  const first = text.charCodeAt(0)
  // Digits (0x30..) and "_" (0x5f, a digit separator to some) may not begin a bare word.
  if (!word || first < 0x41 || first === 0x5f) return `"${text}"`
  return length <= LONGEST_RESERVED && reservedWords.has(text.toLowerCase()) ? `"${text}"` : text
}

const escape = (text: string, path: Path): string => {
  let out = '"'
  for (let index = 0; index < text.length; index++) {
    const code = text.codePointAt(index) ?? 0
    if (code >= 0xd800 && code <= 0xdfff) {
      return fail(
        "loneSurrogate",
        path,
        `has half of a UTF-16 pair at index ${index}; replace it by U+FFFD or a real character`
      )
    }
    if (code > 0xffff) index++
    out += code < 128 ? escapeAscii(code) : isInvisible(code) ? escapeUnicode(code) : String.fromCodePoint(code)
  }
  return `${out}"`
}

const escapeAscii = (code: number): string => {
  if (code === 0x22) return '\\"'
  if (code === 0x5c) return "\\\\"
  if (code === 0x0a) return "\\n"
  if (code === 0x0d) return "\\r"
  if (code === 0x09) return "\\t"
  return code < 0x20 || code === 0x7f ? escapeUnicode(code) : String.fromCharCode(code)
}

const escapeUnicode = (code: number): string =>
  code > 0xffff
    ? `\\U${code.toString(16).toUpperCase().padStart(8, "0")}`
    : `\\u${code.toString(16).toUpperCase().padStart(4, "0")}`

/**
 * Beyond ASCII: control characters, line separators, spaces other than U+0020, joiners, direction marks, byte order mark and
 * noncharacters. A fixed list rather than `\p{..}`, whose members change with the runtime's Unicode version: bytes must not.
 */
const isInvisible = (code: number): boolean =>
  code <= 0xa0 ||
  code === 0xad ||
  code === 0x034f ||
  code === 0x061c ||
  code === 0x115f ||
  code === 0x1160 ||
  code === 0x1680 ||
  code === 0x180e ||
  (code >= 0x2000 && code <= 0x200f) ||
  (code >= 0x2028 && code <= 0x202f) ||
  (code >= 0x205f && code <= 0x206f) ||
  code === 0x3000 ||
  code === 0x3164 ||
  (code >= 0xfdd0 && code <= 0xfdef) ||
  code === 0xfeff ||
  (code >= 0xfff0 && code <= 0xfffc) ||
  (code & 0xfffe) === 0xfffe ||
  (code >= 0xe0000 && code <= 0xe0fff)
