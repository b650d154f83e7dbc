/** The manager, as the relay calls it: with hooks, and with a question. */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { managerUrl } from "../../src/mediamtx/CommandText.js"
import { exchange } from "../support/WholeReply.js"
import type { Settings } from "./Settings.js"

/**
 * Nothing is known of what became of the call, or it is known that nothing did. `late`: the manager took it and did not
 * answer in time.
 */
export class NoAnswer extends Data.TaggedError("NoAnswer")<{ readonly message: string; readonly late: boolean }> {}

/** The manager itself says that it will never take this. */
export class HookRefused extends Data.TaggedError("HookRefused")<{ readonly message: string }> {}

export type Decision =
  | { readonly _tag: "Allow" }
  /** 401 or 403, and what the node writes into its log. */
  | { readonly _tag: "Deny"; readonly status: number; readonly body: string }

export interface UpstreamShape {
  /** `body`: a hook in JSON, or a list of them. Returns when the manager has it for good. */
  readonly hook: (body: string) => Effect.Effect<void, NoAnswer | HookRefused>
  /** `body`: MediaMTX's question as it came. */
  readonly decide: (body: string, within: Duration.Duration) => Effect.Effect<Decision, NoAnswer>
}

export class Upstream extends Context.Tag("mtx-updater/Upstream")<Upstream, UpstreamShape>() {}

const MAX_REPLY = 64 * 1024
const HOOK_WITHIN = "10 seconds"

const decodeError = Schema.decodeUnknownOption(
  Schema.parseJson(Schema.Struct({ _tag: Schema.String, message: Schema.String }))
)
/** What the manager calls requests that are wrong in themselves. */
const wrongItself: ReadonlySet<string> = new Set(["InvalidRequest", "PayloadTooLarge", "UnsupportedMediaType"])

export const layer = (settings: Pick<Settings, "key" | "node" | "url">): Layer.Layer<Upstream> => {
  const { key, node, url } = settings
  const hooksUrl = new URL(managerUrl(url, "/hooks", { node }, "URL"))
  const authUrl = new URL(managerUrl(url, "/auth", { node }, "URL"))

  const post = (to: URL, body: string, within: Duration.DurationInput) =>
    exchange({
      method: "POST",
      url: to,
      headers: { authorization: `Bearer ${Redacted.value(key)}`, "content-type": "application/json" },
      body,
      within,
      limit: MAX_REPLY
    }).pipe(
      Effect.mapError(
        (error) => new NoAnswer({ message: `the manager is away: ${error.message}`, late: error.code === "ETIMEDOUT" })
      ),
      Effect.map(({ body, status }) => ({ status, text: Buffer.from(body).toString("utf8") }))
    )

  const strange = (to: URL, status: number, text: string): NoAnswer => {
    const said = decodeError(text)
    const why = said._tag === "Some" ? `: ${said.value.message.slice(0, 300)}` : ""
    return new NoAnswer({
      message: `${to.origin}${to.pathname} answers ${status}${why}`,
      late: false
    })
  }

  return Layer.succeed(Upstream, {
    hook: Effect.fn("Upstream.hook")(function* (body: string) {
      const { status, text } = yield* post(hooksUrl, body, HOOK_WITHIN)
      // Nothing else is the manager's: a page of a captive portal is no receipt.
      if (status === 204) return
      const said = decodeError(text)
      if (status >= 400 && status < 500 && said._tag === "Some" && wrongItself.has(said.value._tag)) {
        return yield* new HookRefused({ message: said.value.message.slice(0, 300) })
      }
      return yield* strange(hooksUrl, status, text)
    }),
    decide: Effect.fn("Upstream.decide")(function* (body: string, within: Duration.Duration) {
      const { status, text } = yield* post(authUrl, body, within)
      if (status === 204) return { _tag: "Allow" } as const
      if (status === 401 || status === 403) return { _tag: "Deny", status, body: text } as const
      return yield* strange(authUrl, status, text)
    })
  })
}
