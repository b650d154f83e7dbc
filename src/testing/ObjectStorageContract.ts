/**
 * What every ObjectStorage layer must do, as a test suite for vitest: run your own layer through it.
 *
 * Signed requests are really sent: to `serve` where the storage has it, else over the network. The clock is the
 * TestClock, set to the present, since a real server has a clock of its own.
 *
 * @example
 * ```ts
 * objectStorageContract("memory", { layer: ObjectStorage.layer(memory(), host) })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import {
  ObjectStorage,
  ObjectStorageError,
  type ObjectStorageShape,
  type SignedRequest
} from "../services/ObjectStorage.js"

export interface ObjectStorageContractOptions<E> {
  /** A storage to write into. It need not be empty: keys of earlier runs are not used again. */
  readonly layer: Layer.Layer<ObjectStorage, E>
  /** The server does not know `If-None-Match: *`, so `ifAbsent` is not tested. */
  readonly noConditionalWrites?: boolean
  /** The server has error codes of its own for uploads in parts, so what it says of incomplete ones is not tested. */
  readonly ownUploadErrors?: boolean
  /** Bytes that each part but the last must have (default 5 MiB, as with S3). */
  readonly partSize?: number
}

const bytesOf = (text: string) => new TextEncoder().encode(text)

/** What a client may get wrong about a signed request. */
interface Changes {
  readonly method?: string
  readonly url?: (url: URL) => void
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a signed request as a client would. */
const send = (
  storage: ObjectStorageShape,
  signed: SignedRequest,
  body?: Uint8Array<ArrayBuffer>,
  changes: Changes = {}
): Effect.Effect<Response> =>
  Effect.suspend(() => {
    const url = new URL(Redacted.value(signed.url))
    changes.url?.(url)
    const request = new Request(url, {
      method: changes.method ?? signed.method,
      headers: { ...signed.headers, ...changes.headers },
      ...(body === undefined ? {} : { body })
    })
    return storage.serve === undefined ? Effect.promise(() => fetch(request)) : storage.serve(request)
  })

const bodyOf = (response: Response) =>
  Effect.map(
    Effect.promise(() => response.arrayBuffer()),
    (b) => new Uint8Array(b)
  )
const discard = (response: Response) => Effect.promise(() => response.arrayBuffer())

const expectStatus = Effect.fnUntraced(function* (response: Response, status: number, what: string) {
  if (response.status === status) return
  const text = yield* Effect.promise(() => response.text())
  assert.strictEqual(response.status, status, `${what}: ${text}`)
})

const expiresIn = Duration.minutes(5)

export const objectStorageContract = <E>(name: string, options: ObjectStorageContractOptions<E>): void => {
  const partSize = options.partSize ?? 5 * 1024 * 1024
  // Keys of one run, so that it can be repeated on a bucket that keeps what it is given.
  const run = crypto.randomUUID().slice(0, 8)
  let count = 0
  const newKey = (extension = "mp4") => `contract-${run}/${++count}.${extension}`

  /** A body of the test, with the storage to itself, at the present. */
  const test = (
    title: string,
    body: (storage: ObjectStorageShape) => Effect.Effect<void, ObjectStorageError>,
    timeout = 60_000
  ) =>
    it.effect(
      title,
      () =>
        // Before the layer is built: what it repeats every hour would else be run for each hour since 1970.
        Effect.zipRight(
          TestClock.setTime(Date.now()),
          Effect.flatMap(ObjectStorage, body).pipe(Effect.provide(options.layer))
        ),
      timeout
    )

  const upload = Effect.fnUntraced(function* (
    storage: ObjectStorageShape,
    key: string,
    body: Uint8Array<ArrayBuffer>,
    contentType = "video/mp4"
  ) {
    const signed = yield* storage.signPut(key, { contentType, expiresIn })
    const response = yield* send(storage, signed, body)
    yield* expectStatus(response, 200, "PUT")
    yield* discard(response)
    return response
  })

  const download = Effect.fnUntraced(function* (storage: ObjectStorageShape, key: string) {
    const response = yield* send(storage, yield* storage.signGet(key, { expiresIn }))
    yield* expectStatus(response, 200, "GET")
    return yield* bodyOf(response)
  })

  /** The client is refused, and what is stored (nothing, or `still`) is as before. */
  const refused = Effect.fnUntraced(function* (
    storage: ObjectStorageShape,
    key: string,
    response: Response,
    what: string,
    status = 403,
    still?: Uint8Array
  ) {
    yield* expectStatus(response, status, what)
    yield* discard(response)
    const head = yield* storage.head(key)
    if (still === undefined) assert.isTrue(Option.isNone(head), `${what}: stored all the same`)
    else assert.deepStrictEqual(yield* download(storage, key), still, `${what}: changed what was stored`)
  })

  const failsWith = Effect.fnUntraced(function* (
    reason: ObjectStorageError["reason"] | undefined,
    effect: Effect.Effect<unknown, ObjectStorageError>
  ) {
    const result = yield* Effect.either(effect)
    if (Either.isRight(result)) return assert.fail(`succeeded, where ${reason ?? "a failure"} was expected`)
    const error = result.left
    assert.instanceOf(error, ObjectStorageError)
    if (reason !== undefined) assert.strictEqual(error.reason, reason, error.message)
    assert.notStrictEqual(error.message, "")
  })

  describe(`${name} keeps the contract of ObjectStorage`, () => {
    test("what a signed PUT stores is what head tells and a signed GET gives", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        const body = bytesOf("not really a video")
        const stored = yield* upload(storage, key, body)
        const info = Option.getOrThrow(yield* storage.head(key))
        assert.strictEqual(info.key, key)
        assert.strictEqual(info.size, body.byteLength)
        assert.strictEqual(info.contentType, "video/mp4")
        assert.strictEqual(info.etag, stored.headers.get("etag"))
        // One clock may be another machine's.
        assert.isBelow(Math.abs(info.lastModified - (yield* Clock.currentTimeMillis)), 15 * 60_000)
        assert.deepStrictEqual(yield* download(storage, key), body)
      }))

    test("a second upload replaces the first whole", (storage) =>
      Effect.gen(function* () {
        const key = newKey("bin")
        yield* upload(storage, key, bytesOf("a long first version"), "application/x-first")
        const first = Option.getOrThrow(yield* storage.head(key))
        yield* upload(storage, key, bytesOf("second"), "application/x-second")
        const second = Option.getOrThrow(yield* storage.head(key))
        assert.strictEqual(second.size, 6)
        assert.strictEqual(second.contentType, "application/x-second")
        assert.notStrictEqual(second.etag, first.etag)
        assert.deepStrictEqual(yield* download(storage, key), bytesOf("second"))
      }))

    test("an empty object is an object", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        yield* upload(storage, key, new Uint8Array(0))
        assert.strictEqual(Option.getOrThrow(yield* storage.head(key)).size, 0)
        assert.strictEqual((yield* download(storage, key)).byteLength, 0)
      }))

    test("nothing is at a key that was never written, and deleting it is no error", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        assert.isTrue(Option.isNone(yield* storage.head(key)))
        yield* storage.delete(key)
        const response = yield* send(storage, yield* storage.signGet(key, { expiresIn }))
        yield* expectStatus(response, 404, "GET of nothing")
        yield* discard(response)
      }))

    test("what was deleted is gone", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        yield* upload(storage, key, bytesOf("x"))
        yield* storage.delete(key)
        assert.isTrue(Option.isNone(yield* storage.head(key)))
        yield* storage.delete(key)
      }))

    test("a signed PUT takes its own content type only", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        const signed = yield* storage.signPut(key, { contentType: "video/mp4", expiresIn })
        const response = yield* send(storage, signed, bytesOf("<script>"), { headers: { "content-type": "text/html" } })
        yield* refused(storage, key, response, "another content type")
      }))

    test("a signed PUT of a given length takes that length only", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        const signed = yield* storage.signPut(key, { contentType: "video/mp4", contentLength: 4, expiresIn })
        const longer = yield* send(storage, signed, bytesOf("12345"), { headers: { "content-length": "5" } })
        yield* refused(storage, key, longer, "a longer body")
        const right = yield* send(storage, signed, bytesOf("1234"))
        yield* expectStatus(right, 200, "the right length")
        assert.deepStrictEqual(yield* download(storage, key), bytesOf("1234"))
      }))

    test("a signed request is for its own key only", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        const other = newKey()
        const body = bytesOf("mine")
        yield* upload(storage, other, body)
        const elsewhere = (url: URL) => {
          url.pathname = url.pathname.replace(key, other)
        }
        const put = yield* storage.signPut(key, { contentType: "video/mp4", expiresIn })
        yield* refused(
          storage,
          other,
          yield* send(storage, put, bytesOf("yours"), { url: elsewhere }),
          "PUT",
          403,
          body
        )
        const get = yield* send(storage, yield* storage.signGet(key, { expiresIn }), undefined, { url: elsewhere })
        yield* expectStatus(get, 403, "GET of another key")
        yield* discard(get)
      }))

    test("a signed request is for its own method only", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        const body = bytesOf("kept")
        yield* upload(storage, key, body)
        const get = yield* storage.signGet(key, { expiresIn })
        const written = yield* send(storage, get, bytesOf("overwritten"), {
          method: "PUT",
          headers: { "content-type": "video/mp4" }
        })
        yield* refused(storage, key, written, "PUT by a URL for GET", 403, body)
        const put = yield* storage.signPut(key, { contentType: "video/mp4", expiresIn })
        const readBack = yield* send(storage, put, undefined, { method: "GET" })
        yield* expectStatus(readBack, 403, "GET by a URL for PUT")
        yield* discard(readBack)
        const deleted = yield* send(storage, get, undefined, { method: "DELETE" })
        yield* refused(storage, key, deleted, "DELETE by a URL for GET", 403, body)
      }))

    test("changing any part of a signed URL makes it worthless", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        const signed = yield* storage.signGet(key, { expiresIn, filename: "clip.mp4" })
        yield* upload(storage, key, bytesOf("secret"))
        const names = [...new URL(Redacted.value(signed.url)).searchParams.keys()]
        assert.isAtLeast(names.length, 4)
        for (const name of names) {
          const change = (url: URL) => {
            const value = url.searchParams.get(name) ?? ""
            const last = value.slice(-1)
            url.searchParams.set(name, value.slice(0, -1) + (last === "1" ? "2" : "1"))
          }
          for (const [what, edit] of [
            ["changed", change],
            ["removed", (url: URL) => url.searchParams.delete(name)]
          ] as const) {
            const response = yield* send(storage, signed, undefined, { url: edit })
            assert.isAtLeast(response.status, 400, `${name} ${what}`)
            assert.notInclude(yield* Effect.promise(() => response.text()), "secret")
          }
        }
      }))

    test("a signed URL ends when it says", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        const now = yield* Clock.currentTimeMillis
        // Signed in the past, not waited for: the server's clock may be another.
        yield* TestClock.setTime(now - 600_000)
        const old = yield* storage.signPut(key, { contentType: "video/mp4", expiresIn: "5 minutes" })
        const young = yield* storage.signPut(key, { contentType: "video/mp4", expiresIn: "15 minutes" })
        assert.isAtMost(Math.abs(old.expiresAt - (now - 300_000)), 1000)
        yield* TestClock.setTime(now)
        yield* refused(storage, key, yield* send(storage, old, bytesOf("late")), "an expired PUT")
        const response = yield* send(storage, young, bytesOf("in time"))
        yield* expectStatus(response, 200, "a PUT in time")
        yield* discard(response)
      }))

    test("a signed GET takes ranges", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        yield* upload(storage, key, bytesOf("0123456789"))
        const signed = yield* storage.signGet(key, { expiresIn })
        const middle = yield* send(storage, signed, undefined, { headers: { range: "bytes=2-4" } })
        yield* expectStatus(middle, 206, "a range")
        assert.strictEqual(middle.headers.get("content-range"), "bytes 2-4/10")
        assert.deepStrictEqual(yield* bodyOf(middle), bytesOf("234"))
        const tail = yield* send(storage, signed, undefined, { headers: { range: "bytes=8-" } })
        yield* expectStatus(tail, 206, "an open range")
        assert.deepStrictEqual(yield* bodyOf(tail), bytesOf("89"))
        const beyond = yield* send(storage, signed, undefined, { headers: { range: "bytes=10-" } })
        yield* expectStatus(beyond, 416, "a range beyond the end")
        yield* discard(beyond)
      }))

    test("a file name makes browsers save, and can't break out of its header", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        yield* upload(storage, key, bytesOf("x"))
        const filename = 'Möwe "1"\r\nx: y/ (a+b) 100%.mp4'
        const response = yield* send(storage, yield* storage.signGet(key, { expiresIn, filename }))
        yield* expectStatus(response, 200, "GET with a file name")
        yield* discard(response)
        assert.isFalse(response.headers.has("x"))
        assert.strictEqual(
          response.headers.get("content-disposition"),
          "attachment; filename=\"M_we _1___x: y_ (a+b) 100_.mp4\"; filename*=UTF-8''" +
            "M%C3%B6we%20%221%22__x%3A%20y_%20%28a%2Bb%29%20100%25.mp4"
        )
      }))

    if (options.noConditionalWrites !== true) {
      test("ifAbsent never replaces an object", (storage) =>
        Effect.gen(function* () {
          const key = newKey()
          const body = bytesOf("the winner's")
          const first = yield* storage.signPut(key, { contentType: "video/mp4", expiresIn, ifAbsent: true })
          yield* expectStatus(yield* send(storage, first, body), 200, "the first")
          yield* refused(storage, key, yield* send(storage, first, bytesOf("a late one")), "the second", 412, body)
          // The condition can't be left out.
          const { "if-none-match": _, ...without } = first.headers
          const response = yield* send(storage, { ...first, headers: without }, bytesOf("without"))
          assert.isTrue(response.status === 403 || response.status === 412, String(response.status))
          assert.deepStrictEqual(yield* download(storage, key), body)
          const uploadId = yield* storage.multipart.create(key, { contentType: "video/mp4", partSize })
          const part = yield* storage.multipart.signPart(key, uploadId, 1, { expiresIn })
          const etag = (yield* send(storage, part, bytesOf("in parts"))).headers.get("etag") ?? ""
          yield* failsWith(
            "AlreadyExists",
            storage.multipart.complete(key, uploadId, [{ partNumber: 1, etag }], { ifAbsent: true })
          )
          yield* storage.multipart.abort(key, uploadId)
          assert.deepStrictEqual(yield* download(storage, key), body)
        }))
    }

    test("parts become one object in the order of their numbers, whatever order they came in", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        const size = 2 * partSize + 3
        const body = new Uint8Array(size)
        for (let i = 0; i < size; i++) body[i] = (i * 31 + (i >> 13)) & 0xff
        const uploadId = yield* storage.multipart.create(key, { contentType: "video/mp4", partSize })
        const parts = yield* Effect.forEach([3, 1, 2], (partNumber) =>
          Effect.gen(function* () {
            const piece = body.slice((partNumber - 1) * partSize, partNumber * partSize)
            const signed = yield* storage.multipart.signPart(key, uploadId, partNumber, {
              expiresIn,
              contentLength: piece.byteLength
            })
            const response = yield* send(storage, signed, piece)
            yield* expectStatus(response, 200, `part ${partNumber}`)
            yield* discard(response)
            return { partNumber, etag: response.headers.get("etag") ?? "" }
          })
        )
        assert.isTrue(Option.isNone(yield* storage.head(key)), "visible before it is complete")
        yield* storage.multipart.complete(key, uploadId, parts)
        const info = Option.getOrThrow(yield* storage.head(key))
        assert.strictEqual(info.size, size)
        assert.strictEqual(info.contentType, "video/mp4")
        const back = yield* download(storage, key)
        // Not deepStrictEqual: it compares one by one, with a report of each.
        assert.isTrue(back.byteLength === size && back.every((byte, i) => byte === body[i]))
        yield* failsWith(
          options.ownUploadErrors === true ? undefined : "NotFound",
          storage.multipart.complete(key, uploadId, parts)
        )
      }))

    if (options.ownUploadErrors !== true) {
      test("an upload with a part that never came can't be completed, but aborted", (storage) =>
        Effect.gen(function* () {
          const key = newKey()
          const uploadId = yield* storage.multipart.create(key, { contentType: "video/mp4", partSize })
          const signed = yield* storage.multipart.signPart(key, uploadId, 1, { expiresIn })
          const response = yield* send(storage, signed, bytesOf("one"))
          yield* expectStatus(response, 200, "part 1")
          yield* discard(response)
          const one = { partNumber: 1, etag: response.headers.get("etag") ?? "" }
          yield* failsWith("NotFound", storage.multipart.complete(key, uploadId, [{ ...one, partNumber: 2 }]))
          yield* failsWith("NotFound", storage.multipart.complete(key, uploadId, [{ ...one, etag: '"another"' }]))
          yield* failsWith("Misconfigured", storage.multipart.complete(key, uploadId, []))
          yield* failsWith("Misconfigured", storage.multipart.complete(key, uploadId, [one, one]))
          yield* storage.multipart.abort(key, uploadId)
          yield* storage.multipart.abort(key, uploadId)
          yield* failsWith("NotFound", storage.multipart.complete(key, uploadId, [one]))
          const late = yield* send(storage, signed, bytesOf("late"))
          yield* expectStatus(late, 404, "a part of an aborted upload")
          yield* discard(late)
          assert.isTrue(Option.isNone(yield* storage.head(key)))
        }))
    }

    test("a part's URL is for its own number only", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        const uploadId = yield* storage.multipart.create(key, { contentType: "video/mp4", partSize })
        const signed = yield* storage.multipart.signPart(key, uploadId, 1, { expiresIn })
        const response = yield* send(storage, signed, bytesOf("x"), {
          url: (url) => {
            for (const name of ["part", "partNumber"]) if (url.searchParams.has(name)) url.searchParams.set(name, "2")
          }
        })
        yield* expectStatus(response, 403, "another part")
        yield* discard(response)
        yield* storage.multipart.abort(key, uploadId)
      }))

    test("keys that could mean something else are refused before anything is done", (storage) =>
      Effect.forEach(
        [
          ...[
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a/./b",
            "a//b",
            "a/",
            ".hidden",
            "a/.hidden",
            "a\\b",
            "a\0b"
          ],
          ...["a\nb", "a?b", "a#b", "a%2e%2e", "ä", "C:/x", "x".repeat(201), "x/".repeat(300)]
        ],
        (key) =>
          Effect.all([
            failsWith("Misconfigured", storage.signPut(key, { contentType: "video/mp4", expiresIn })),
            failsWith("Misconfigured", storage.signGet(key, { expiresIn })),
            failsWith("Misconfigured", storage.head(key)),
            failsWith("Misconfigured", storage.delete(key)),
            failsWith("Misconfigured", storage.multipart.create(key, { contentType: "video/mp4", partSize }))
          ]),
        { discard: true }
      ))

    test("every key that is allowed works", (storage) =>
      Effect.gen(function* () {
        const character = FastCheck.constantFrom(..."azAZ09._~+=@-")
        const segment = FastCheck.string({ unit: character, minLength: 1, maxLength: 12 }).filter(
          (s) => !s.startsWith(".")
        )
        const keys = FastCheck.sample(FastCheck.array(segment, { minLength: 1, maxLength: 4 }), { numRuns: 8, seed: 4 })
        yield* Effect.forEach(["a+b=c@d~e..f", ...keys.map((segments) => segments.join("/"))], (tail, index) =>
          Effect.gen(function* () {
            const key = `contract-${run}/keys-${index}/${tail}`
            yield* upload(storage, key, bytesOf(key))
            assert.deepStrictEqual(yield* download(storage, key), bytesOf(key))
            assert.strictEqual(decodeURIComponent(new URL(storage.objectUrl(key)).pathname).endsWith(`/${key}`), true)
            yield* storage.delete(key)
            assert.isTrue(Option.isNone(yield* storage.head(key)))
          })
        )
      }))

    test("options that no storage can honour are refused", (storage) =>
      Effect.gen(function* () {
        const key = newKey()
        const contentType = "video/mp4"
        for (const bad of ["0 seconds", "8 days", "-1 seconds"] as const) {
          yield* failsWith("Misconfigured", storage.signGet(key, { expiresIn: bad }))
        }
        yield* failsWith("Misconfigured", storage.signPut(key, { contentType: "video", expiresIn }))
        yield* failsWith("Misconfigured", storage.signPut(key, { contentType: "a/b\r\nx: y", expiresIn }))
        yield* failsWith("Misconfigured", storage.signPut(key, { contentType, expiresIn, contentLength: -1 }))
        yield* failsWith("Misconfigured", storage.signPut(key, { contentType, expiresIn, contentLength: 1.5 }))
        for (const wrong of [0, 1.5, 6 * 1024 ** 3]) {
          yield* failsWith("Misconfigured", storage.multipart.create(key, { contentType, partSize: wrong }))
        }
        yield* failsWith("Misconfigured", storage.multipart.signPart(key, "id", 0, { expiresIn }))
        yield* failsWith("Misconfigured", storage.multipart.signPart(key, "id", 10_001, { expiresIn }))
      }))

    test("signed URLs don't show in logs", (storage) =>
      Effect.gen(function* () {
        const signed = yield* storage.signGet(newKey(), { expiresIn })
        assert.notInclude(JSON.stringify(signed), "ignature")
        assert.notInclude(String(signed.url), "http")
      }))

    test("clips have keys under the prefix, and an address without a signature", (storage) =>
      Effect.sync(() => {
        const key = storage.clipKey("019b28eb-1ae2-766c-8d00-e12570bb3070")
        assert.match(key, /(^|\/)019b28eb-1ae2-766c-8d00-e12570bb3070\.mp4$/)
        const url = new URL(storage.objectUrl(key))
        assert.isTrue(url.pathname.endsWith(`/${key}`))
        assert.strictEqual(url.search, "")
        assert.notStrictEqual(storage.bucket, "")
      }))

    test("check succeeds on a storage that works", (storage) => storage.check)
  })
}
