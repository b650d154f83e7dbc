/**
 * One row of the tables that describe MediaMTX's config. Schemas, checks, suggestions, deprecations, docs and the
 * `MediaMTXConfig` type all come from these rows.
 *
 * @since 0.1.0
 */
import type { AnyFieldType, FieldType } from "./FieldType.js"

/**
 * A release of MediaMTX.
 *
 * @since 0.1.0
 * @category models
 */
export type MediaMTXVersion = `${number}.${number}.${number}`

/**
 * The oldest release that the tables know. A row that says it is older or as old.
 *
 * @since 0.1.0
 * @category constants
 */
export const baselineVersion: MediaMTXVersion = "1.15.0"

/**
 * The release that the tables describe.
 *
 * @since 0.1.0
 * @category constants
 */
export const currentVersion: MediaMTXVersion = "1.20.1"

/**
 * What a running server does when a global field changes on reload.
 *
 * - `everything`: all servers and all streams are closed and started anew
 * - `auth`: authentication and all that hangs on it, so all streams drop
 * - `path-manager`: all paths and media servers, so all streams drop
 * - `metrics`: the metrics server and with it the path manager, so all streams drop
 * - `connections`: the RTSP(S), RTMP(S) and SRT servers, so their streams drop
 * - `rtsp`: RTSP and RTSPS; `rtsp-plain`, `rtsps`: one of the two; likewise `rtmp`, `rtmp-plain`, `rtmps`
 * - `hls`, `webrtc`, `srt`, `moq`: that server and its sessions
 * - `pprof`, `playback`, `api`: that server, no stream drops
 * - `paths`: each path whose effective config changed, see {@link PathReload}
 * - `deferred`: not compared, takes effect when something else restarts its server
 * - `hot`: in place
 *
 * @since 0.1.0
 * @category models
 */
export type GlobalReload =
  | "everything"
  | "auth"
  | "path-manager"
  | "metrics"
  | "connections"
  | "rtsp"
  | "rtsp-plain"
  | "rtsps"
  | "rtmp"
  | "rtmp-plain"
  | "rtmps"
  | "hls"
  | "webrtc"
  | "srt"
  | "moq"
  | "pprof"
  | "playback"
  | "api"
  | "paths"
  | "deferred"
  | "hot"

/**
 * What happens to a path when its effective value of a field changes on reload.
 *
 * - `recreate`: the path is closed and opened anew; its publisher and readers drop
 * - `recorder`: in place; a recording goes on in a new segment, with a gap in playback
 * - `hot`: in place, nobody notices
 *
 * @since 0.1.0
 * @category models
 */
export type PathReload = "recreate" | "recorder" | "hot"

/**
 * A live field.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConfigField<A, Reload extends string = string> {
  readonly type: FieldType<A>
  /** What MediaMTX uses when the field is not given. */
  readonly default: A
  /** What the value counts, where the type doesn't say it: `bytes`, `host:port`. */
  readonly unit: string | undefined
  /** One or two sentences. */
  readonly doc: string
  /** First release with this name; {@link baselineVersion} stands for "then or before". */
  readonly since: MediaMTXVersion
  /** The name that the same setting had before `since`, where it had one. */
  readonly renamedFrom: string | undefined
  /**
   * What becomes of a value for a release that lacks the field:
   *
   * - `drop`: left out, with a warning
   * - `refuse`: it guards something, so that without it the node would be more open than was meant: no config is made
   */
  readonly lacking: "drop" | "refuse"
  /** The value by which a release that lacks the field behaves; mostly the default. It is left out in silence. */
  readonly absent: unknown
  /** Defaults of older releases, the oldest first: each holds for the releases before `before`. */
  readonly formerDefaults: ReadonlyArray<{ readonly before: MediaMTXVersion; readonly default: unknown }>
  readonly reload: Reload
  /** What a change did in releases before `before`, where that was something else. */
  readonly formerReload: { readonly before: MediaMTXVersion; readonly reload: Reload } | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface AnyConfigField<Reload extends string = string> extends Omit<ConfigField<unknown, Reload>, "type"> {
  readonly type: AnyFieldType
}

/**
 * A name that MediaMTX still takes but that has been replaced.
 *
 * @since 0.1.0
 * @category models
 */
export interface DeprecatedField {
  readonly type: AnyFieldType
  /** The release that began to warn; {@link baselineVersion} stands for "then or before". */
  readonly deprecatedSince: MediaMTXVersion
  /** First release with this name. */
  readonly since: MediaMTXVersion
  /** Dotted name of what to use instead; `undefined` where nothing takes its place. */
  readonly replacedBy: string | undefined
  readonly doc: string
}

/**
 * What a row has to say beyond the four things that every row says.
 *
 * @since 0.1.0
 * @category models
 */
export interface FieldMore<Reload extends string> {
  readonly unit?: string
  readonly since?: MediaMTXVersion
  readonly renamedFrom?: string
  readonly lacking?: "refuse"
  readonly absent?: unknown
  readonly formerDefaults?: ReadonlyArray<{ readonly before: MediaMTXVersion; readonly default: unknown }>
  readonly formerReload?: { readonly before: MediaMTXVersion; readonly reload: Reload }
}

/**
 * Makes a row.
 *
 * @since 0.1.0
 * @category constructors
 */
export const field = <A, Reload extends string, Former extends string = Reload>(
  type: FieldType<A>,
  defaultValue: NoInfer<A>,
  reload: Reload,
  doc: string,
  more?: FieldMore<Former>
): ConfigField<A, Reload | Former> => ({
  type,
  default: defaultValue,
  unit: more?.unit,
  doc,
  since: more?.since ?? baselineVersion,
  renamedFrom: more?.renamedFrom,
  lacking: more?.lacking ?? "drop",
  absent: more !== undefined && "absent" in more ? more.absent : defaultValue,
  formerDefaults: more?.formerDefaults ?? [],
  reload,
  formerReload: more?.formerReload
})
