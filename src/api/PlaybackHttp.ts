/** The handlers of `/recordings` and `/playback`. A manager without these services answers 404. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { AuthPolicy, type AuthRequest } from "../services/AuthPolicy.js"
import type { NodeId } from "../services/NodeId.js"
import type { ObjectStorageError, SignedRequest } from "../services/ObjectStorage.js"
import { Playback, type PlaybackShape } from "../services/Playback.js"
import type {
  PlaybackJobConflict,
  PlaybackJobNotFound,
  PlaybackQueueError,
  LeaseLost as QueueLeaseLost
} from "../services/PlaybackQueue.js"
import { Recordings } from "../services/Recordings.js"
import { Conflict, Forbidden, InvalidRequest, LeaseLost, NotFound, Unavailable } from "./ApiError.js"
import { Draining } from "./Draining.js"
import { ManagerApi } from "./ManagerApi.js"
import { LONGEST_WAIT } from "./PlaybackApi.js"
import type { PartsReply, UploadTarget, WorkerReply } from "./PlaybackWire.js"

const noPlayback = Effect.fail(new NotFound({ message: "this manager keeps no clips: it was given no storage" }))
const noRecordings = Effect.fail(new NotFound({ message: "this manager keeps no index of recordings" }))

const onNotFound = ({ message }: PlaybackJobNotFound) => Effect.fail(new NotFound({ message }))
const onConflict = ({ message }: PlaybackJobConflict) => Effect.fail(new Conflict({ message }))
const onLeaseLost = ({ message, state }: QueueLeaseLost) => Effect.fail(new LeaseLost({ message, state }))
const onQueueError = (error: PlaybackQueueError) =>
  Effect.zipRight(
    error.reason === "Storage" ? Effect.logError("the playback queue failed", error) : Effect.void,
    Effect.fail(new Unavailable({ message: error.message, retryAfter: 5 }))
  )
const onRequestError = (error: PlaybackQueueError) =>
  error.reason === "TooFar"
    ? new InvalidRequest({
        message: error.message,
        issues: [{ field: "start", message: "the window is too far in the future", expected: error.message }]
      })
    : onQueueError(error)
const onStorageError = (error: ObjectStorageError) =>
  Effect.zipRight(
    Effect.logError("the storage of clips failed", error),
    Effect.fail(new Unavailable({ message: `the storage of clips: ${error.message}`, retryAfter: 5 }))
  )
const always = { ObjectStorageError: onStorageError, PlaybackQueueError: onQueueError }

const wanted = (wait: number): Duration.Duration => Duration.seconds(Math.min(wait, LONGEST_WAIT))

const targetOf = ({ expiresAt, headers, url }: SignedRequest): UploadTarget => ({
  method: "PUT",
  url: Redacted.value(url),
  headers,
  expiresAt
})

const empty = Redacted.make("")

export const recordingsGroup = HttpApiBuilder.group(ManagerApi, "recordings", (handlers) =>
  Effect.map(Effect.serviceOption(Recordings), (found) => {
    const recordings = Option.getOrUndefined(found)
    return handlers
      .handle("timeline", ({ urlParams: { from, path, to } }) =>
        recordings === undefined ? noRecordings : recordings.timeline(path, { from, to })
      )
      .handle("paths", () => (recordings === undefined ? noRecordings : recordings.paths))
  })
)

export const playbackGroup = HttpApiBuilder.group(ManagerApi, "playback", (handlers) =>
  Effect.gen(function* () {
    const playback = Option.getOrUndefined(yield* Effect.serviceOption(Playback))
    const recordings = Option.getOrUndefined(yield* Effect.serviceOption(Recordings))
    const policy = yield* AuthPolicy
    const draining = yield* Draining

    const withPlayback = <A, E>(
      use: (playback: PlaybackShape) => Effect.Effect<A, E>
    ): Effect.Effect<A, E | NotFound> => (playback === undefined ? noPlayback : use(playback))

    /** The credential was right; the policy may still say no. It never sees the credential. */
    const ask = Effect.fnUntraced(function* (
      request: HttpServerRequest.HttpServerRequest,
      question: Pick<AuthRequest, "action" | "path" | "node">
    ) {
      const decision = yield* policy.decide({
        ...question,
        protocol: "",
        ip: Option.getOrElse(request.remoteAddress, () => ""),
        user: "",
        password: empty,
        token: empty,
        query: empty,
        id: null,
        userAgent: request.headers["user-agent"] ?? ""
      })
      if (decision._tag === "Allow") return
      return yield* new Forbidden({
        message: `the auth policy does not allow ${question.action} (${decision.reason}); a rule that allows it is needed`
      })
    })

    const lease = (request: HttpServerRequest.HttpServerRequest, node: NodeId, wait: number) =>
      withPlayback((playback) =>
        Effect.gen(function* () {
          yield* ask(request, { action: "playback.worker", path: "", node })
          // A worker that is told to come back later finds the next manager.
          const found = yield* Effect.raceFirst(
            playback.lease(node, wanted(wait)),
            Effect.as(draining.wait, Option.none())
          )
          return Option.match(found, {
            onNone: () => undefined,
            onSome: ({ job, partsAbove, upload }) => ({
              id: job.id,
              node,
              path: job.path,
              start: job.start,
              duration: job.duration,
              format: job.format,
              attempt: job.attempts + 1,
              token: job.token,
              leaseMillis: Math.max(0, job.lease.expiresAt - job.lease.leasedAt),
              upload: targetOf(upload),
              partsAbove
            })
          })
        })
      ).pipe(Effect.catchTags(always))

    return handlers
      .handle("request", ({ payload, request }) =>
        withPlayback((playback) =>
          Effect.zipRight(
            ask(request, { action: "playback.request", path: payload.path, node: undefined }),
            playback.request(payload)
          )
        ).pipe(Effect.catchTags({ ...always, PlaybackQueueError: onRequestError }))
      )
      .handle("jobs", ({ request, urlParams: { before, limit, node, path, state, wait } }) =>
        wait !== undefined && node !== undefined
          ? lease(request, node, wait)
          : withPlayback((playback) => playback.list({ before, limit, node, path, state })).pipe(
              Effect.catchTags({ ObjectStorageError: onStorageError })
            )
      )
      .handle("job", ({ path: { id }, urlParams: { wait } }) =>
        withPlayback((playback) =>
          wait === undefined || wait === 0
            ? playback.status(id)
            : Effect.raceFirst(
                Stream.runDrain(playback.watch(id)),
                Effect.raceFirst(Effect.sleep(wanted(wait)), draining.wait)
              ).pipe(Effect.zipRight(playback.status(id)))
        ).pipe(Effect.catchTags({ ObjectStorageError: onStorageError, PlaybackJobNotFound: onNotFound }))
      )
      .handle("report", ({ path: { id }, payload, urlParams: { node } }) =>
        withPlayback((playback) =>
          Effect.gen(function* (): Effect.fn.Return<
            WorkerReply,
            QueueLeaseLost | PlaybackJobNotFound | PlaybackQueueError | ObjectStorageError
          > {
            const { token } = payload
            switch (payload.status) {
              case "progress": {
                const { bytes, phase, recorded, total } = payload
                const leaseMillis = yield* playback.progress(
                  node,
                  id,
                  token,
                  phase === "uploading" ? { sent: bytes, total: total ?? undefined } : {}
                )
                if (recorded !== undefined && recordings !== undefined) {
                  const job = yield* playback.status(id)
                  // The index only loses a correction that the next worker brings again.
                  yield* Effect.catchAll(
                    recordings.reconcile(node, job.path, recorded.spans, {
                      within: { from: recorded.from, to: recorded.to }
                    }),
                    (error) => Effect.logWarning("the index of recordings could not be written", error)
                  )
                }
                return { leaseMillis }
              }
              case "done": {
                const { duration, gaps, size, upload } = payload
                yield* playback.complete(node, id, token, {
                  size,
                  duration,
                  gaps,
                  ...(upload === undefined ? {} : { uploadId: upload.id, parts: upload.parts })
                })
                return { leaseMillis: 0 }
              }
              case "failed": {
                const { final, message, reason } = payload
                yield* playback.fail(node, id, token, { reason, message: message.slice(0, 1_000), final })
                return { leaseMillis: 0 }
              }
              case "released":
                yield* playback.release(node, id, token)
                return { leaseMillis: 0 }
            }
          })
        ).pipe(Effect.catchTags({ ...always, LeaseLost: onLeaseLost, PlaybackJobNotFound: onNotFound }))
      )
      .handle("parts", ({ path: { id }, payload: { parts, size, token, upload }, urlParams: { node } }) =>
        withPlayback((playback) =>
          Effect.map(
            playback.parts(node, id, token, { size, uploadId: upload, parts }),
            (granted): PartsReply => ({
              upload: granted.uploadId,
              partSize: granted.partSize,
              parts: granted.parts.map(({ partNumber, upload }) => ({ partNumber, ...targetOf(upload) })),
              leaseMillis: granted.leaseMillis
            })
          )
        ).pipe(Effect.catchTags({ ...always, LeaseLost: onLeaseLost, PlaybackJobNotFound: onNotFound }))
      )
      .handle("cancel", ({ path: { id } }) =>
        withPlayback((playback) => playback.cancel(id)).pipe(
          Effect.catchTags({ ...always, PlaybackJobConflict: onConflict, PlaybackJobNotFound: onNotFound })
        )
      )
      .handle("retry", ({ path: { id }, request }) =>
        withPlayback((playback) =>
          // It is asked for anew.
          playback.status(id).pipe(
            Effect.flatMap(({ path }) => ask(request, { action: "playback.request", path, node: undefined })),
            Effect.zipRight(playback.retry(id))
          )
        ).pipe(Effect.catchTags({ ...always, PlaybackJobConflict: onConflict, PlaybackJobNotFound: onNotFound }))
      )
  })
)
