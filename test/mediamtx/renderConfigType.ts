/**
 * Writes the source of `MediaMTXConfig.ts` from the field tables. Run by a file snapshot: after a change of the tables,
 * `npx vitest run test/mediamtx/MediaMTXConfig.test.ts -u` brings the types up to date.
 */
import { type AnyConfigField, baselineVersion } from "../../src/mediamtx/ConfigField.js"
import { globalFields } from "../../src/mediamtx/GlobalFields.js"
import { pathFields } from "../../src/mediamtx/PathFields.js"

const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}

const property = (name: string, row: AnyConfigField): string => {
  const unit =
    row.unit !== undefined
      ? ` Unit: ${row.unit}.`
      : row.type.name === "duration"
        ? " A duration as text: `10s`, `1h30m`, `1d`."
        : ""
  const shown = name === "authInternalUsers" ? "the two users described above" : `\`${JSON.stringify(row.default)}\``
  const since = row.since === baselineVersion ? "" : ` Since MediaMTX ${row.since}.`
  const renamed = row.renamedFrom === undefined ? "" : ` Before that: \`${row.renamedFrom}\`.`
  return [
    "  /**",
    ...wrap(`${row.doc}${unit}`, 112).map((line) => `   * ${line}`),
    "   *",
    ...wrap(`Default: ${shown}.${since}${renamed}`, 112).map((line) => `   * ${line}`),
    "   */",
    `  readonly ${name}?: ${row.type.typescript} | undefined`
  ].join("\n")
}

const enumNames = (): ReadonlyArray<string> => {
  const names = new Set<string>()
  for (const row of [...Object.values(globalFields), ...Object.values(pathFields)]) {
    const name = row.type.typescript.replace(/^ReadonlyArray<(.*)>$/, "$1")
    if (
      /^[A-Z]/.test(name) &&
      !/^(AuthInternalUser|AuthPermission|IceServer|PathConfig|Readonly|AlwaysAvail|Forward)/.test(name)
    ) {
      names.add(name)
    }
  }
  return [...names, "ConfigAuthAction", "TrackCodec"].sort()
}

export const renderConfigType = (): string => `/**
 * The config of MediaMTX 1.20 as a TypeScript type: \`const config = { ... } satisfies MediaMTXConfig\`.
 *
 * Written from the field tables (\`GlobalFields.ts\`, \`PathFields.ts\`) by \`test/mediamtx/renderConfigType.ts\`: change the
 * tables, not this file.
 *
 * @since 0.1.0
 */
import type {
${enumNames()
  .map((name) => `  ${name}`)
  .join(",\n")}
} from "./ConfigEnums.js"

/**
 * One thing that a user may do.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthPermission {
  /** What may be done. */
  readonly action?: ConfigAuthAction | undefined
  /** On which path: a name, \`~\` and a regular expression, or empty for all. */
  readonly path?: string | undefined
}

/**
 * A user of \`authInternalUsers\`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthInternalUser {
  /** Name, plain or hashed (\`sha256:...\`, \`argon2:...\`). \`any\` is everybody and has no password. */
  readonly user?: string | undefined
  /** Password, plain or hashed (\`sha256:...\`, \`argon2:...\`); empty for none. */
  readonly pass?: string | undefined
  /** Addresses and CIDR networks that the user may come from; empty for all. */
  readonly ips?: ReadonlyArray<string> | undefined
  /** What the user may do. */
  readonly permissions?: ReadonlyArray<AuthPermission> | undefined
}

/**
 * A STUN or TURN server.
 *
 * @since 0.1.0
 * @category models
 */
export interface IceServer {
  /** \`stun:host:port\`, \`turn:host:port\` or \`turns:host:port\`. */
  readonly url?: string | undefined
  /** User name; \`AUTH_SECRET\` makes the password a shared secret. */
  readonly username?: string | undefined
  /** Password, or shared secret. */
  readonly password?: string | undefined
  /** Only clients use it, not the node itself. */
  readonly clientOnly?: boolean | undefined
}

/**
 * A track of the stand-in of \`alwaysAvailable\`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AlwaysAvailableTrack {
  /** Codec; required. */
  readonly codec?: TrackCodec | undefined
  /** Samples per second: at least 22050 with MPEG4Audio, 8000 with G711 and LPCM; not with other codecs. */
  readonly sampleRate?: number | undefined
  /** Number of channels, with MPEG4Audio, G711 and LPCM only. */
  readonly channelCount?: number | undefined
  /** G711: mu-law instead of A-law. */
  readonly muLaw?: boolean | undefined
}

/**
 * Another server that a stream is sent on to.
 *
 * @since 0.1.0
 * @category models
 */
export interface ForwardDestination {
  /** rtsp(s), rtmp(s), srt or whip(s) URL. \`$MTX_PATH\` is the path's name, \`$G1\`, \`$G2\` the groups of its regular expression. */
  readonly dest?: string | undefined
  /** SHA-256 of the destination's TLS certificate, as hex; trusts exactly that certificate. */
  readonly destFingerprint?: string | undefined
  /** Bearer token for WHIP. */
  readonly whipBearerToken?: string | undefined
}

/**
 * The settings of a path. All of them are optional: \`{}\` is a path with all defaults.
 *
 * @since 0.1.0
 * @category models
 */
export interface PathConfig {
${Object.entries(pathFields)
  .map(([name, row]) => property(name, row))
  .join("\n")}
}

/**
 * A whole config. All fields are optional; what is not given has MediaMTX's default, which for most servers is "on".
 *
 * @example
 * import type { MediaMTXConfig } from "@livecams/mtx-manager"
 *
 * const config = {
 *   moq: false,
 *   readTimeout: "20s",
 *   pathDefaults: { record: true, recordDeleteAfter: "7d" },
 *   paths: { cam: { source: "rtsp://10.0.0.7/stream", sourceOnDemand: true }, all_others: {} }
 * } satisfies MediaMTXConfig
 *
 * @since 0.1.0
 * @category models
 */
export interface MediaMTXConfig {
${Object.entries(globalFields)
  .map(([name, row]) => property(name, row))
  .join("\n")}
}
`
