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

/** What follows a name: `: scalar`, or a collection on the lines below it, indented deeper than `indent`. */
const renderValue = (value: YamlValue, indent: string, path: Path): string => {
  if (typeof value !== "object" || value === null) return `: ${renderScalar(value, path)}\n`
  if (path.length > MAX_DEPTH) fail("tooDeep", path, `is nested over ${MAX_DEPTH} levels deep, or contains itself`)
  if (isList(value)) return value.length === 0 ? ": []\n" : `:\n${renderItems(value, `${indent}  `, path)}`
  // Always true here, but the type of a readonly list survives the check above.
  const entries = isMap(value) ? renderEntries(value, `${indent}  `, path) : ""
  return entries === "" ? ": {}\n" : `:\n${entries}`
}

const renderEntries = (map: YamlMap, indent: string, path: Path): string => {
  const prefixes = prefixesOf(indent)
  let out = ""
  for (const key of Object.keys(plain(map, path))) {
    const value = map[key]
    if (value === undefined || value === null) continue
    const prefix = prefixes.get(key) ?? addPrefix(prefixes, indent, key, path)
    if (typeof value !== "object") {
      // Three long pieces, since joining many short ones is what costs most.
      out += `${prefix}${renderScalar(value, path, key)}\n`
    } else {
      path.push(key)
      out += prefix.slice(0, -2) + renderValue(value, indent, path)
      path.pop()
    }
  }
  return out
}

/**
 * Names of fields are few and come again in every path: `indent` -> `name` -> `indent name: `. Filled once and never cleared, so
 * it is bounded; it holds no values and no names of paths, which go through {@link renderPath}.
 */
const allPrefixes = new Map<string, Map<string, string>>()
const MAX_PREFIXES = 1024

const prefixesOf = (indent: string): Map<string, string> => {
  const known = allPrefixes.get(indent)
  if (known !== undefined) return known
  const created = new Map<string, string>()
  allPrefixes.set(indent, created)
  return created
}

const addPrefix = (prefixes: Map<string, string>, indent: string, key: string, path: Path): string => {
  const prefix = `${indent}${renderKey(key, [...path, key])}: `
  if (prefixes.size < MAX_PREFIXES && key.length <= 64) prefixes.set(key, prefix)
  return prefix
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

/** `key`: the last part of the field, if it is not in `path` already. */
const renderScalar = (value: YamlValue, path: Path, key?: string): string => {
  if (typeof value === "string") return renderString(value, path, key)
  if (typeof value === "boolean") return value ? "true" : "false"
  if (typeof value === "number" && Number.isSafeInteger(value)) {
    // "0" for -0 too: MediaMTX has no negative zero.
    return value === 0 ? "0" : value.toString()
  }
  const field = key === undefined ? path : [...path, key]
  if (typeof value === "number") return renderFloat(value, field)
  if (typeof value === "bigint") {
    return value >= -(2n ** 63n) && value < 2n ** 64n
      ? value.toString()
      : fail("integerRange", field, "is an integer outside -2^63 to 2^64-1, which MediaMTX would read as text")
  }
  return value === null || value === undefined
    ? fail("nullInList", field, "is null or undefined; leave the item out of the list")
    : fail("notPlainData", field, `is a ${typeof value}; give a plain object, list, string, number or boolean`)
}

const renderFloat = (value: number, field: Path): string => {
  if (!Number.isFinite(value)) return fail("notFinite", field, `is ${value}; give a finite number`)
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

/** In lower case. `inf` and `nan` are only numbers with a dot, and `nil` and `none` nothing at all, but readers vary. */
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

const isWord = (text: string): boolean => {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    // a-z, A-Z; digits and "_" (a digit separator to some) not at the beginning.
    if ((code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)) continue
    if (index > 0 && ((code >= 0x30 && code <= 0x39) || code === 0x5f)) continue
    return false
  }
  return text.length > LONGEST_RESERVED || (text.length > 0 && !reservedWords.has(text.toLowerCase()))
}

const beyondAscii = /[^\0-\x7e]/
/** With the `u` flag the halves of a whole pair do not match. */
const loneSurrogate = /[\ud800-\udfff]/u

const renderString = (text: string, path: Path, key?: string): string => {
  if (isWord(text)) return text
  // For ASCII, JSON's escapes are all YAML's as well, and JSON.stringify is the fastest way to make them.
  const json = JSON.stringify(text)
  return beyondAscii.test(text) ? escapeInvisible(text, json, key === undefined ? path : [...path, key]) : json
}

const escapeInvisible = (text: string, json: string, field: Path): string => {
  if (loneSurrogate.test(text)) {
    return fail("loneSurrogate", field, "has half of a UTF-16 pair; replace it by U+FFFD or a real character")
  }
  let out = ""
  for (const char of json) {
    const code = char.codePointAt(0) ?? 0
    out += code >= 0x7f && isInvisible(code) ? escapeUnicode(code) : char
  }
  return out
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
