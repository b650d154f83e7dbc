import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import type {
  AlwaysAvailableTrackType,
  AuthInternalUserType,
  AuthPermissionType,
  ForwardDestinationType,
  IceServerType
} from "../../src/mediamtx/ConfigObjects.js"
import type { ValueOf } from "../../src/mediamtx/FieldType.js"
import { globalFields } from "../../src/mediamtx/GlobalFields.js"
import type {
  AlwaysAvailableTrack,
  AuthInternalUser,
  AuthPermission,
  ForwardDestination,
  IceServer,
  MediaMTXConfig,
  PathConfig
} from "../../src/mediamtx/MediaMTXConfig.js"
import { MediaMTXConfigShape, PathConfigShape } from "../../src/mediamtx/MediaMTXConfigSchema.js"
import { pathFields } from "../../src/mediamtx/PathFields.js"
import { renderConfigType } from "./renderConfigType.js"

// The interface and the tables are one type: checked by the compiler, in both directions and for each modifier.
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
type FromTable<Table extends Record<string, { readonly type: object }>> = {
  readonly [K in keyof Table]?: ValueOf<Table[K]["type"]> | undefined
}
type Flat<A> = { readonly [K in keyof A]: A[K] }

const same = <A, B>(_equal: Equal<Flat<A>, Flat<B>>) => {}
same<PathConfig, FromTable<typeof pathFields>>(true)
same<Omit<MediaMTXConfig, Nested>, Omit<FromTable<typeof globalFields>, Nested>>(true)
same<AuthPermission, ValueOf<typeof AuthPermissionType>>(true)
same<Omit<AuthInternalUser, "permissions">, Omit<ValueOf<typeof AuthInternalUserType>, "permissions">>(true)
same<IceServer, ValueOf<typeof IceServerType>>(true)
same<ForwardDestination, ValueOf<typeof ForwardDestinationType>>(true)
same<AlwaysAvailableTrack, ValueOf<typeof AlwaysAvailableTrackType>>(true)
// Those that hold other interfaces are equal in structure, not in name: each can be used for the other.
type Nested =
  | "authInternalUsers"
  | "authHTTPExclude"
  | "authJWTExclude"
  | "webrtcICEServers2"
  | "pathDefaults"
  | "paths"
const _out = (config: MediaMTXConfig): FromTable<typeof globalFields> => config
const _in = (config: FromTable<typeof globalFields>): MediaMTXConfig => config
void [_out, _in]

const _plain = {
  webrtc: true,
  logLevel: "debug",
  rtspTransports: ["tcp"],
  authInternalUsers: [{ user: "any", permissions: [{ action: "read", path: "" }] }],
  pathDefaults: { record: true, recordDeleteAfter: "7d" },
  paths: { path1: {}, path2: null, "~^cam(.*)$": { source: "rtsp://h/$G1", sourceOnDemand: true } }
} satisfies MediaMTXConfig

const _frozen = {
  rtspTransports: ["udp", "tcp"],
  paths: { cam: { forward: [{ dest: "rtsp://h" }], rpiCameraAWBGains: [1, 2] } }
} as const satisfies MediaMTXConfig

const hooks: { readonly pathDefaults: PathConfig } = { pathDefaults: { runOnRead: "true" } }
const _spread = { ...hooks, moq: false, paths: { a: {} } } satisfies MediaMTXConfig

// @ts-expect-error a boolean is a real boolean
const _boolean = { api: "yes" } satisfies MediaMTXConfig
// @ts-expect-error a duration is a text
const _duration = { readTimeout: 10 } satisfies MediaMTXConfig
// @ts-expect-error a word is one of a few
const _word = { logLevel: "trace" } satisfies MediaMTXConfig
// @ts-expect-error an old name
const _old = { rtspDisable: true } satisfies MediaMTXConfig
// @ts-expect-error no such field of a path
const _field = { paths: { cam: { recrod: true } } } satisfies MediaMTXConfig
void [_plain, _frozen, _spread, _boolean, _duration, _word, _old, _field]

describe("MediaMTXConfig", () => {
  it("is what the field tables say", async () => {
    await expect(renderConfigType()).toMatchFileSnapshot("../../src/mediamtx/MediaMTXConfig.ts")
  })

  it("documents every field, with its default", () => {
    const source = renderConfigType()
    for (const name of [...Object.keys(globalFields), ...Object.keys(pathFields)]) {
      expect(source).toMatch(new RegExp(`Default: (?:(?!\\*/)[^])*\\*/\\n {2}readonly ${name}\\?:`))
    }
  })

  it("has Schemas with the same fields", () => {
    const keys = (schema: Schema.Schema.AnyNoContext) => {
      const ast = Schema.typeSchema(schema).ast
      return ast._tag === "TypeLiteral" ? ast.propertySignatures.map((signature) => signature.name) : []
    }
    expect(keys(MediaMTXConfigShape)).toEqual(Object.keys(globalFields))
    expect(keys(PathConfigShape)).toEqual(Object.keys(pathFields))
  })
})
