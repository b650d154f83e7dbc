/**
 * A typed client of a manager, derived from `ManagerApi`, and its event stream.
 *
 * @example
 * const client = yield* ManagerClient.make({ baseUrl: "http://127.0.0.1:8080", key: Redacted.make("...") })
 * const nodes = yield* client.nodes.list()
 * yield* client.watch({ node: NodeId.make("n1") }).pipe(Stream.runForEach((record) => Effect.log(record.event.event)))
 */
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Cursor, HookRecord } from "../services/HookBus.js"
import { ApiError } from "./ApiError.js"
import * as EventStream from "./EventStream.js"
import { ManagerApi } from "./ManagerApi.js"

export interface ManagerClientOptions {
  /** Where the manager answers, such as `https://manager.example.com`. A path is kept as a prefix. */
  readonly baseUrl: string | URL
  /** The admin key, the shared key or a node's token. */
  readonly key: Redacted.Redacted
}

export interface WatchOptions extends EventStream.EventFilter {
  /** How long to wait before connecting again, at first (default 500 ms); it doubles up to `retryMax` (default 30 s). */
  readonly retry?: Duration.DurationInput | undefined
  readonly retryMax?: Duration.DurationInput | undefined
}

/**
 * The events can't be had, and trying again won't help.
 * - `Refused`: the manager answered with an error; `message` is its own.
 * - `Garbled`: it sent something that is not a HookRecord: probably another version.
 */
export class WatchError extends Schema.TaggedError<WatchError>()("WatchError", {
  reason: Schema.Literal("Refused", "Garbled"),
  /** HTTP status, where there is one. */
  status: Schema.NullOr(Schema.Int),
  message: Schema.String
}) {}

/** The connection was lost, or the manager is away for now: worth another try. */
class Interrupted extends Schema.TaggedError<Interrupted>()("Interrupted", {}) {}

const decodeRecord = Schema.decodeUnknown(Schema.parseJson(HookRecord))
const decodeError = Schema.decodeUnknown(Schema.parseJson(ApiError))

/** Statuses that a manager behind a proxy answers with while it restarts. */
const isPassing = (status: number): boolean => status === 429 || status >= 500

const refused = (response: HttpClientResponse.HttpClientResponse) =>
  response.text.pipe(
    Effect.flatMap(decodeError),
    Effect.map((error) => error.message),
    Effect.orElseSucceed(() => `the manager answered with status ${response.status}`),
    Effect.flatMap((message) => new WatchError({ reason: "Refused", status: response.status, message }))
  )

/** The client. Needs an HttpClient, such as `FetchHttpClient.layer` or NodeHttpClient's. */
export const make = (options: ManagerClientOptions) =>
  Effect.gen(function* () {
    const http = (yield* HttpClient.HttpClient).pipe(HttpClient.mapRequest(HttpClientRequest.bearerToken(options.key)))
    const api = yield* HttpApiClient.makeWith(ManagerApi, { baseUrl: options.baseUrl, httpClient: http })
    const eventsUrl = new URL(`${String(options.baseUrl).replace(/\/+$/, "")}/events`)

    /** One connection: it fails with `Interrupted` when it ends, whatever ended it. */
    const connection = (filter: WatchOptions, position: Ref.Ref<Option.Option<Cursor>>) =>
      Effect.gen(function* () {
        const after = yield* Ref.get(position)
        const params: Record<string, string> = {}
        if (Option.isSome(after)) params["after"] = String(after.value)
        if (filter.node !== undefined) params["node"] = filter.node
        if (filter.event !== undefined) params["event"] = filter.event
        const response = yield* http
          .execute(HttpClientRequest.get(eventsUrl, { urlParams: params, accept: "text/event-stream" }))
          .pipe(Effect.mapError(() => new Interrupted()))
        if (isPassing(response.status)) return yield* new Interrupted()
        if (response.status !== 200) return yield* refused(response)
        return response.stream.pipe(
          Stream.mapError(() => new Interrupted()),
          Stream.decodeText(),
          EventStream.decode,
          Stream.mapEffect((block) =>
            Effect.gen(function* () {
              const cursor = Number(block.id)
              if (block.data === undefined) {
                // The first block only says where the stream begins.
                if (block.id !== undefined) yield* Ref.set(position, Option.some(cursor))
                return Option.none<HookRecord>()
              }
              const record = yield* decodeRecord(block.data).pipe(
                Effect.mapError(
                  () => new WatchError({ reason: "Garbled", status: null, message: "an event could not be understood" })
                )
              )
              yield* Ref.set(position, Option.some(record.cursor))
              return Option.some(record)
            })
          ),
          Stream.filterMap((record) => record),
          Stream.concat(Stream.fail(new Interrupted()))
        )
      }).pipe(Stream.unwrapScoped)

    /**
     * Events after `after`, or from now on, for ever: a lost connection is taken up again where it broke, without a gap or
     * a repeat. Fails only where trying again is of no use.
     */
    const watch = (filter: WatchOptions = {}): Stream.Stream<HookRecord, WatchError> =>
      Stream.unwrap(
        Effect.map(Ref.make(Option.fromNullable(filter.after)), (position) =>
          connection(filter, position).pipe(
            Stream.retry(
              Schedule.exponential(filter.retry ?? "500 millis").pipe(
                Schedule.union(Schedule.spaced(filter.retryMax ?? "30 seconds")),
                Schedule.jittered,
                Schedule.whileInput((error: WatchError | Interrupted) => error._tag === "Interrupted")
              )
            ),
            // Never reached: every interruption is retried. It makes the type say so.
            Stream.catchTag("Interrupted", () => Stream.never)
          )
        )
      )

    return { ...api, watch }
  })

/** What `make` gives: a method for each endpoint, by group, and `watch`. */
export type ManagerClient = Effect.Effect.Success<ReturnType<typeof make>>
