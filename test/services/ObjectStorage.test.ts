import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { createServer, request as httpRequest } from "node:http"
import { join } from "node:path"
import { Readable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, Fiber, Layer, Option, Redacted, TestClock } from "effect"
import { build } from "esbuild"
import { layer, type ObjectStorageError, partsOf, type StorageHost } from "../../src/services/ObjectStorage.js"
import { filesystem, memory, type S3Options, s3 } from "../../src/storage.js"
import { objectStorageContract } from "../../src/testing/ObjectStorageContract.js"
import { tempFolder } from "../sql/support/TempDatabase.js"
import { type S3Double, type S3DoubleOptions, s3Double } from "../support/S3Double.js"

const host: StorageHost = { base: "https://example.com/mtx", key: Redacted.make("shared-key") }
const expiresIn = "5 minutes"
const contentType = "video/mp4"

const double = (options?: S3DoubleOptions) =>
  Effect.acquireRelease(
    Effect.promise(() => s3Double(options)),
    (server) => Effect.promise(() => server.close())
  )

const s3Of = (server: S3Double, options: Partial<S3Options> = {}) =>
  s3({
    endpoint: server.endpoint,
    credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey },
    bucket: server.bucket,
    region: server.region,
    ...options
  })

/** Sends what `fetch` would, to 127.0.0.1 whatever the host: no name server knows `BUCKET.HOST`. */
const fetchLocally =
  (port: number): typeof globalThis.fetch =>
  async (input, init) => {
    const request = new Request(input, init)
    const url = new URL(request.url)
    const body = Buffer.from(await request.arrayBuffer())
    return new Promise((resolve, reject) => {
      const sent = httpRequest(
        {
          host: "127.0.0.1",
          port,
          method: request.method,
          path: url.pathname + url.search,
          headers: { ...Object.fromEntries(request.headers), host: url.host, "content-length": body.length },
          agent: false
        },
        (answer) => {
          const received: Array<Buffer> = []
          answer.on("data", (chunk: Buffer) => received.push(chunk))
          answer.on("end", () => {
            const headers = new Headers()
            for (const [name, value] of Object.entries(answer.headers)) headers.set(name, String(value))
            const status = answer.statusCode ?? 0
            const empty = request.method === "HEAD" || status === 204
            resolve(new Response(empty ? null : Buffer.concat(received), { status, headers }))
          })
        }
      )
      sent.on("error", reject)
      sent.end(body)
    })
  }

objectStorageContract("memory", { layer: layer(memory(), host), partSize: 100_000 })

objectStorageContract("filesystem", {
  partSize: 1_500_000,
  layer: Layer.unwrapScoped(Effect.map(tempFolder, (path) => layer(filesystem({ folder: join(path, "clips") }), host)))
})

objectStorageContract("s3 (double)", {
  layer: Layer.unwrapScoped(Effect.map(double(), (server) => layer(s3Of(server), host)))
})

objectStorageContract("s3 with session token in another region (double)", {
  layer: Layer.unwrapScoped(
    Effect.map(double({ region: "eu-central-1", sessionToken: "a/b+c==" }), (server) =>
      layer(
        s3Of(server, {
          credentials: {
            accessKeyId: server.accessKeyId,
            secretAccessKey: Redacted.make(server.secretAccessKey),
            sessionToken: "a/b+c=="
          }
        }),
        host
      )
    )
  )
})

const real = process.env["S3_ENDPOINT"]
if (real === undefined || real === "") {
  console.warn(
    "\n  SKIPPED: ObjectStorage against a real S3 server. Set S3_ENDPOINT, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY and S3_BUCKET to run it.\n"
  )
  describe.skip("s3 (real)", () => it("keeps the contract of ObjectStorage", () => {}))
} else {
  objectStorageContract("s3 (real)", {
    // Minor servers lack the one or name the other in their own way (s3s-fs, say).
    ownUploadErrors: process.env["S3_OWN_UPLOAD_ERRORS"] === "1",
    noConditionalWrites: process.env["S3_NO_CONDITIONAL_WRITES"] === "1",
    layer: layer(
      s3({
        endpoint: real,
        credentials: {
          accessKeyId: process.env["S3_ACCESS_KEY_ID"] ?? "",
          secretAccessKey: process.env["S3_SECRET_ACCESS_KEY"] ?? ""
        },
        bucket: process.env["S3_BUCKET"] ?? "",
        region: process.env["S3_REGION"]
      }),
      host
    )
  })
}

const failure = <A, R>(effect: Effect.Effect<A, ObjectStorageError, R>) => Effect.flip(effect)

describe("s3", () => {
  const open = Effect.fn(function* (options: Partial<S3Options> = {}, serverOptions: S3DoubleOptions = {}) {
    yield* TestClock.setTime(Date.now())
    const server = yield* double(serverOptions)
    return { server, storage: yield* s3Of(server, options).make(host) }
  })

  it.scoped("signs for the virtual-host style", () =>
    Effect.gen(function* () {
      const server = yield* double()
      yield* TestClock.setTime(Date.now())
      const send = fetchLocally(server.port)
      const storage = yield* s3Of(server, {
        endpoint: `http://storage.test:${server.port}`,
        style: "virtual",
        fetch: send
      }).make(host)
      const put = yield* storage.signPut("a/b.mp4", { contentType, expiresIn })
      assert.strictEqual(new URL(Redacted.value(put.url)).host, `clips.storage.test:${server.port}`)
      assert.strictEqual(new URL(Redacted.value(put.url)).pathname, "/a/b.mp4")
      const response = yield* Effect.promise(() =>
        send(Redacted.value(put.url), { method: "PUT", headers: put.headers, body: "hello" })
      )
      assert.strictEqual(response.status, 200)
      assert.strictEqual(Option.getOrThrow(yield* storage.head("a/b.mp4")).size, 5)
      assert.strictEqual(storage.objectUrl("a/b.mp4"), `http://clips.storage.test:${server.port}/a/b.mp4`)
    })
  )

  it.scoped("tells a clock that is wrong from a secret that is wrong", () =>
    Effect.gen(function* () {
      const { server, storage } = yield* open()
      yield* TestClock.adjust("2 hours")
      const ahead = yield* failure(storage.head("a"))
      assert.strictEqual(ahead.reason, "ClockSkew")
      assert.match(ahead.message, /clock is 120 minutes ahead of the storage's .*NTP/)
      yield* TestClock.setTime(Date.now() - 3_600_000)
      const behind = yield* failure(storage.delete("a"))
      assert.strictEqual(behind.reason, "ClockSkew")
      assert.match(behind.message, /60 minutes behind/)
      yield* TestClock.setTime(Date.now())
      const wrong = yield* s3Of(server, {
        credentials: { accessKeyId: server.accessKeyId, secretAccessKey: "wrong-secret" }
      }).make(host)
      const mismatch = yield* failure(wrong.head("a"))
      assert.strictEqual(mismatch.reason, "SignatureMismatch")
      assert.include(mismatch.message, "secretAccessKey")
      assert.notInclude(mismatch.message, "wrong-secret")
      assert.strictEqual((yield* failure(wrong.check)).reason, "SignatureMismatch")
    })
  )

  it.scoped("says what is wrong with the configuration", () =>
    Effect.gen(function* () {
      const { server } = yield* open({}, { region: "eu-west-1" })
      const check = (options: Partial<S3Options>) =>
        failure(Effect.flatMap(s3Of(server, options).make(host), (storage) => storage.check))
      const region = yield* check({ region: "us-east-1" })
      assert.strictEqual(region.reason, "Misconfigured")
      assert.include(region.message, "set region to eu-west-1")
      const bucket = yield* check({ bucket: "other" })
      assert.strictEqual(bucket.reason, "Misconfigured")
      assert.include(bucket.message, "no bucket other")
      const credentials = { accessKeyId: "NOBODY", secretAccessKey: "x" }
      assert.include((yield* check({ credentials })).message, "accessKeyId")
      const { endpoint } = server
      for (const [options, expected] of [
        [{ endpoint: "storage" }, "not an absolute URL"],
        [{ endpoint: "s3://x" }, "http"],
        [{ endpoint: "https://user:hidden@x" }, "credentials"],
        [{ endpoint: `${endpoint}/clips` }, `use ${endpoint},`],
        [{ endpoint: "https://clips.s3.amazonaws.com", style: "virtual" }, "use https://s3.amazonaws.com"],
        [{ style: "virtual" }, "address"],
        [{ endpoint: "https://x.test", style: "virtual", bucket: "BUCKET_NAME" }, 'style: "path"'],
        [{ bucket: "a/b" }, "bucket"],
        [{ prefix: "../x" }, "prefix"],
        [{ credentials: { accessKeyId: "", secretAccessKey: "x" } }, "accessKeyId"]
      ] satisfies ReadonlyArray<readonly [Partial<S3Options>, string]>) {
        const error = yield* check(options)
        assert.strictEqual(error.reason, "Misconfigured")
        assert.include(error.message, expected)
        assert.notInclude(error.message, "hidden")
      }
    })
  )

  it.scoped("knows where the big ones are", () =>
    Effect.gen(function* () {
      const url = (options: Partial<S3Options>) =>
        Effect.flatMap(
          s3({
            endpoint: "https://s3.eu-west-2.amazonaws.com",
            bucket: "clips",
            credentials: { accessKeyId: "A", secretAccessKey: "S" },
            ...options
          }).make(host),
          (storage) =>
            Effect.map(storage.signGet("k.mp4", { expiresIn }), ({ url }) => {
              const { href, searchParams } = new URL(Redacted.value(url))
              return [
                href.split("?")[0],
                searchParams.get("X-Amz-Credential")?.split("/")[2],
                storage.objectUrl("k.mp4")
              ]
            })
        )
      const aws = "https://clips.s3.eu-west-2.amazonaws.com/k.mp4"
      assert.deepStrictEqual(yield* url({}), [aws, "eu-west-2", aws])
      const dotted = "https://s3.eu-west-2.amazonaws.com/a.b/k.mp4"
      assert.deepStrictEqual(yield* url({ bucket: "a.b" }), [dotted, "eu-west-2", dotted])
      const r2 = "https://acc.r2.cloudflarestorage.com/clips/k.mp4"
      const endpoint = "https://acc.r2.cloudflarestorage.com/"
      assert.deepStrictEqual(yield* url({ endpoint }), [r2, "auto", r2])
      assert.deepStrictEqual(yield* url({ endpoint, publicUrl: "https://clips.example.com" }), [
        r2,
        "auto",
        "https://clips.example.com/k.mp4"
      ])
      const minio = "http://minio:9000/s3/clips/k.mp4"
      assert.deepStrictEqual(yield* url({ endpoint: "http://minio:9000/s3" }), [minio, "us-east-1", minio])
    })
  )

  it.scoped("comes again when the storage is unavailable, with growing pauses, signed anew", () =>
    Effect.gen(function* () {
      const { server, storage } = yield* open()
      const busy = (status: number, code: string) => (response: import("node:http").ServerResponse) => {
        response.writeHead(status, { "content-type": "application/xml" })
        response.end(`<Error><Code>${code}</Code></Error>`)
      }
      server.next.push(busy(503, "SlowDown"), busy(500, "InternalError"), (response) => response.destroy())
      const fiber = yield* Effect.fork(storage.delete("a"))
      // Each failure is a real answer: let it arrive, then let the pause pass.
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("10 seconds")
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }).pipe(Effect.repeat({ until: () => Effect.map(Fiber.poll(fiber), Option.isSome) }))
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(server.asked, Array(4).fill("DELETE /clips/a"))

      const stubborn = yield* s3Of(server, { retries: 0 }).make(host)
      server.next.push(busy(503, "SlowDown"))
      assert.strictEqual((yield* failure(stubborn.delete("a"))).reason, "Unavailable")
      server.next.push((response) => {
        response.writeHead(200)
        response.end('<?xml version="1.0"?>\n<Error><Code>InternalError</Code></Error>')
      })
      const late = yield* failure(stubborn.multipart.complete("a", "id", [{ partNumber: 1, etag: "x" }]))
      assert.strictEqual(late.reason, "Unavailable")
    })
  )

  it.scoped("gives up on an answer that does not come", () =>
    Effect.gen(function* () {
      const { server, storage } = yield* open({ retries: 0, timeout: "3 seconds" })
      let asked: (() => void) | undefined
      const arrived = new Promise<void>((resolve) => {
        asked = resolve
      })
      server.next.push(() => asked?.())
      const fiber = yield* Effect.fork(failure(storage.head("a")))
      yield* Effect.promise(() => arrived)
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason, "Unavailable")
      assert.include(error.message, "3s")
    })
  )

  it.scoped("can't be reached: says so, without the secret", () =>
    Effect.gen(function* () {
      const { server, storage } = yield* open({ retries: 0 })
      yield* Effect.promise(() => server.close())
      const error = yield* failure(storage.head("a"))
      assert.strictEqual(error.reason, "Unavailable")
      assert.include(error.message, "can't be reached")
    })
  )

  it("keeps its secrets when it is logged", () => {
    const value = s3({
      endpoint: "https://x.test",
      bucket: "clips",
      credentials: { accessKeyId: "A", secretAccessKey: "top-secret" }
    })
    assert.notInclude(JSON.stringify(value), "top-secret")
  })

  it("brings no node: module into a Worker", async () => {
    const { outputFiles, metafile } = await build({
      stdin: { contents: 'export { s3, memory } from "./src/storage.ts"', resolveDir: process.cwd() },
      bundle: true,
      write: false,
      minify: true,
      format: "esm",
      platform: "neutral",
      mainFields: ["module", "main"],
      external: ["node:*"],
      metafile: true
    })
    const external = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
    assert.deepStrictEqual(external, [])
    assert.isAbove(outputFiles[0]?.contents.byteLength ?? 0, 1000)
  }, 30_000)
})

describe("the double's own signature check", () => {
  // Amazon's published example of a presigned URL (GET test.txt of examplebucket): proves the double without our signer.
  it("takes the example that Amazon publishes, and nothing near it", async () => {
    const server = await s3Double({
      accessKeyId: "AKIAIOSFODNN7EXAMPLE",
      secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
      bucket: "examplebucket",
      now: () => Date.UTC(2013, 4, 24, 12)
    })
    try {
      server.objects.set("test.txt", { body: Buffer.from("hi"), contentType: "text/plain", etag: '"x"', modified: 0 })
      const query =
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
      const send = fetchLocally(server.port)
      const good = await send(`http://examplebucket.s3.amazonaws.com/test.txt?${query}`)
      assert.strictEqual(await good.text(), "hi")
      const bad = await send(`http://examplebucket.s3.amazonaws.com/test.txt?${query.replace("86400", "86401")}`)
      assert.strictEqual(bad.status, 403)
      assert.include(await bad.text(), "SignatureDoesNotMatch")
    } finally {
      await server.close()
    }
  })
})

describe("served by the manager", () => {
  const local = Effect.fn(function* (maxObjectSize?: number) {
    // Before the storage looks for leftovers every hour: the clock stops at each hour that it passes.
    yield* TestClock.setTime(Date.now())
    const path = yield* tempFolder
    const folder = join(path, "clips")
    const storage = yield* filesystem({ folder, maxObjectSize }).make(host)
    const serve = storage.serve
    assert.isDefined(serve)
    return { path, folder, storage, serve }
  })
  const leftovers = (folder: string) => readdirSync(join(folder, ".tmp"))

  it.scoped("wherever it is mounted, and only there", () =>
    Effect.gen(function* () {
      const { serve, storage } = yield* local()
      const put = yield* storage.signPut("a/b.mp4", { contentType, expiresIn })
      const url = new URL(Redacted.value(put.url))
      assert.strictEqual(`${url.origin}${url.pathname}`, "https://example.com/mtx/storage/a/b.mp4")
      // A proxy that takes `/mtx` away, and another name of the manager.
      const inner = `http://10.0.0.1:8080/storage/a/b.mp4${url.search}`
      const stored = yield* serve(new Request(inner, { method: "PUT", headers: put.headers, body: "x" }))
      assert.strictEqual(stored.status, 200)
      const elsewhere = yield* serve(new Request(`http://10.0.0.1/other/storage/a/b.mp4${url.search}`))
      assert.strictEqual(elsewhere.status, 404)
      const posted = yield* serve(new Request(inner, { method: "POST" }))
      assert.strictEqual(posted.headers.get("allow"), "GET, HEAD, PUT")
      assert.deepInclude(yield* Effect.promise(() => posted.json()), { _tag: "ObjectStorageError" })
    })
  )

  it.scoped("a signature of another key, or none, opens nothing", () =>
    Effect.gen(function* () {
      const { folder, serve } = yield* local()
      const other = yield* filesystem({ folder }).make({ ...host, key: Redacted.make("another key") })
      const forged = yield* other.signPut("a.mp4", { contentType, expiresIn })
      const url = Redacted.value(forged.url)
      for (const attempt of [
        url,
        url.replace(/signature=.*/, "signature="),
        url.split("?")[0] ?? "",
        `${url}&expires=9999999999`
      ]) {
        const response = yield* serve(new Request(attempt, { method: "PUT", headers: forged.headers, body: "x" }))
        assert.strictEqual(response.status, 403)
      }
      assert.isFalse(existsSync(join(folder, "a.mp4")))
    })
  )

  it.scoped("no path leads out of the folder, not even a signed one", () =>
    Effect.gen(function* () {
      const { path, serve, storage } = yield* local()
      writeFileSync(join(path, "secret.txt"), "secret")
      const get = yield* storage.signGet("a.mp4", { expiresIn })
      const { search } = new URL(Redacted.value(get.url))
      for (const tail of [
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "..%5csecret.txt",
        "a%00",
        "%c0%ae%c0%ae/secret.txt",
        ".tmp/x",
        ""
      ]) {
        const response = yield* serve(new Request(`https://example.com/mtx/storage/${tail}${search}`))
        assert.include([403, 404], response.status, tail)
        assert.notInclude(yield* Effect.promise(() => response.text()), "secret")
      }
    })
  )

  it.scoped("an upload that breaks off, is too large or of another length leaves nothing", () =>
    Effect.gen(function* () {
      const { folder, serve, storage } = yield* local(10)
      const put = yield* storage.signPut("a.mp4", { contentType, expiresIn })
      const exact = yield* storage.signPut("a.mp4", { contentType, contentLength: 5, expiresIn })
      const body = (chunks: ReadonlyArray<string>, broken = false) =>
        new ReadableStream({
          start: (controller) => {
            for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
            if (broken) controller.error(new Error("connection reset"))
            else controller.close()
          }
        })
      const send = (signed: typeof put, stream: ReadableStream, headers: Record<string, string> = {}) =>
        // `duplex` is what Node wants for a stream; its types don't know it yet.
        serve(
          new Request(Redacted.value(signed.url), {
            method: "PUT",
            headers: { "content-type": contentType, ...headers },
            body: stream,
            ...{ duplex: "half" }
          })
        )
      assert.strictEqual((yield* send(put, body(["12345"], true))).status, 400)
      assert.strictEqual((yield* send(put, body(["123456", "789012"]))).status, 413)
      assert.strictEqual((yield* send(put, body(["1"]), { "content-length": "11" })).status, 413)
      assert.strictEqual((yield* send(put, body(["123"]), { "content-length": "4" })).status, 400)
      assert.strictEqual((yield* send(exact, body(["1234"]))).status, 400)
      assert.strictEqual((yield* send(exact, body(["1234", "56"]))).status, 400)
      assert.isTrue(Option.isNone(yield* storage.head("a.mp4")))
      assert.deepStrictEqual(leftovers(folder), [])
      assert.strictEqual((yield* send(exact, body(["123", "45"]))).status, 200)
      assert.strictEqual(readFileSync(join(folder, "a.mp4"), "utf8"), "12345")
    })
  )

  it.scoped("an interrupted upload lets go of its body and its file", () =>
    Effect.gen(function* () {
      const { folder, serve, storage } = yield* local()
      const put = yield* storage.signPut("a.mp4", { contentType, expiresIn })
      let cancelled: (() => void) | undefined
      const gone = new Promise<void>((resolve) => {
        cancelled = resolve
      })
      let pulled: (() => void) | undefined
      const reading = new Promise<void>((resolve) => {
        pulled = resolve
      })
      let first = true
      const endless = new ReadableStream<Uint8Array>(
        {
          pull: (controller) => {
            if (first) controller.enqueue(new Uint8Array(10))
            else {
              pulled?.()
              return new Promise(() => {})
            }
            first = false
            return undefined
          },
          cancel: () => cancelled?.()
        },
        { highWaterMark: 0 }
      )
      const fiber = yield* Effect.fork(
        serve(
          new Request(Redacted.value(put.url), {
            method: "PUT",
            headers: put.headers,
            body: endless,
            ...{ duplex: "half" }
          })
        )
      )
      yield* Effect.promise(() => reading)
      yield* Fiber.interrupt(fiber)
      yield* Effect.promise(() => gone)
      while (leftovers(folder).length > 0) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      assert.isTrue(Option.isNone(yield* storage.head("a.mp4")))
    })
  )

  it.scoped("a part that hangs is cut off by the one sent again, by the completion, and by the end of the upload", () =>
    Effect.gen(function* () {
      const { folder, serve, storage } = yield* local()
      const { complete, create, signPart } = storage.multipart
      const uploadId = yield* create("a.mp4", { contentType, partSize: 4 })
      /** A body that sends a little, and then no more. */
      const hang = Effect.fnUntraced(function* (partNumber: number, id = uploadId) {
        const signed = yield* signPart("a.mp4", id, partNumber, { expiresIn })
        let asked: (() => void) | undefined
        const reading = new Promise<void>((resolve) => {
          asked = resolve
        })
        let first = true
        const body = new ReadableStream<Uint8Array>(
          {
            pull: (controller) => {
              if (first) {
                first = false
                controller.enqueue(new TextEncoder().encode("??"))
                return undefined
              }
              asked?.()
              return new Promise(() => {})
            }
          },
          { highWaterMark: 0 }
        )
        const fiber = yield* Effect.fork(
          serve(new Request(Redacted.value(signed.url), { method: "PUT", body, ...{ duplex: "half" } }))
        )
        yield* Effect.promise(() => reading)
        return Effect.map(Fiber.join(fiber), ({ status }) => status)
      })
      const put = Effect.fnUntraced(function* (partNumber: number, body: string) {
        const signed = yield* signPart("a.mp4", uploadId, partNumber, { expiresIn })
        const response = yield* serve(new Request(Redacted.value(signed.url), { method: "PUT", body }))
        return { partNumber, etag: response.headers.get("etag") ?? "", status: response.status }
      })
      assert.strictEqual((yield* put(1, "12345")).status, 413)
      const hung = yield* hang(1)
      const one = yield* put(1, "1234")
      assert.strictEqual(yield* hung, 400)
      const two = yield* put(2, "56")
      const late = yield* hang(3)
      yield* complete("a.mp4", uploadId, [two, one])
      assert.strictEqual(yield* late, 400)
      assert.strictEqual(readFileSync(join(folder, "a.mp4"), "utf8"), "123456")
      assert.strictEqual((yield* put(1, "9999")).status, 404)
      assert.strictEqual(readFileSync(join(folder, "a.mp4"), "utf8"), "123456")

      const another = yield* create("a.mp4", { contentType, partSize: 4 })
      const ended = yield* hang(1, another)
      yield* storage.multipart.abort("a.mp4", another)
      assert.strictEqual(yield* ended, 400)
      assert.deepStrictEqual(readdirSync(join(folder, ".uploads")), [])
      assert.strictEqual(readFileSync(join(folder, "a.mp4"), "utf8"), "123456")
    })
  )

  it.scoped("a note of a part that a power failure has emptied is a missing part, which can be sent again", () =>
    Effect.gen(function* () {
      const { folder, serve, storage } = yield* local()
      const { complete, create, signPart } = storage.multipart
      const uploadId = yield* create("a.mp4", { contentType, partSize: 4 })
      const put = Effect.fnUntraced(function* (partNumber: number, body: string) {
        const signed = yield* signPart("a.mp4", uploadId, partNumber, { expiresIn })
        const response = yield* serve(new Request(Redacted.value(signed.url), { method: "PUT", body }))
        return { partNumber, etag: response.headers.get("etag") ?? "" }
      })
      const one = yield* put(1, "1234")
      const two = yield* put(2, "56")
      writeFileSync(join(folder, ".uploads", uploadId, "2"), "")
      const refused = yield* Effect.flip(complete("a.mp4", uploadId, [one, two]))
      assert.strictEqual(refused.reason, "NotFound")
      assert.include(refused.message, "Part 2")
      yield* complete("a.mp4", uploadId, [one, yield* put(2, "56")])
      assert.strictEqual(readFileSync(join(folder, "a.mp4"), "utf8"), "123456")
    })
  )

  it.scoped("objects are plain files that only their owner reads, and stay over a restart", () =>
    Effect.gen(function* () {
      const { folder, serve, storage } = yield* local()
      const put = yield* storage.signPut("recordings/a.bin", { contentType: "application/x-odd", expiresIn })
      yield* serve(new Request(Redacted.value(put.url), { method: "PUT", headers: put.headers, body: "abc" }))
      const again = yield* filesystem({ folder }).make(host)
      const info = Option.getOrThrow(yield* again.head("recordings/a.bin"))
      assert.strictEqual(info.contentType, "application/x-odd")
      assert.strictEqual(info.size, 3)
      assert.strictEqual(readFileSync(join(folder, "recordings", "a.bin"), "utf8"), "abc")
      // A file that someone put there by hand is an object too.
      writeFileSync(join(folder, "by-hand.mp4"), "xy")
      assert.strictEqual(Option.getOrThrow(yield* again.head("by-hand.mp4")).contentType, "video/mp4")
      // A folder is none, and can't become one.
      assert.isTrue(Option.isNone(yield* again.head("recordings")))
      const folderKey = yield* again.signPut("recordings", { contentType, expiresIn })
      const refused = yield* serve(
        new Request(Redacted.value(folderKey.url), { method: "PUT", headers: folderKey.headers, body: "x" })
      )
      assert.strictEqual(refused.status, 500)
      assert.include(yield* Effect.promise(() => refused.text()), "same name")
      yield* again.delete("recordings")
      assert.isTrue(Option.isSome(yield* again.head("recordings/a.bin")))
    })
  )

  it.scoped("HEAD and conditional requests, as browsers send them", () =>
    Effect.gen(function* () {
      const { serve, storage } = yield* local()
      const put = yield* storage.signPut("a.mp4", { contentType, expiresIn })
      yield* serve(new Request(Redacted.value(put.url), { method: "PUT", headers: put.headers, body: "0123456789" }))
      const url = Redacted.value((yield* storage.signGet("a.mp4", { expiresIn })).url)
      const head = yield* serve(new Request(url, { method: "HEAD" }))
      assert.strictEqual(head.status, 200)
      assert.strictEqual(head.headers.get("content-length"), "10")
      assert.strictEqual(head.headers.get("accept-ranges"), "bytes")
      assert.strictEqual(head.headers.get("x-content-type-options"), "nosniff")
      const etag = head.headers.get("etag") ?? ""
      const get = (headers: Record<string, string>) => serve(new Request(url, { headers }))
      assert.strictEqual((yield* get({ "if-none-match": etag })).status, 304)
      const text = (response: Response) => Effect.promise(() => response.text())
      const last = yield* get({ range: "bytes=-3" })
      assert.deepStrictEqual([last.status, yield* text(last)], [206, "789"])
      assert.strictEqual((yield* get({ range: "bytes=-0" })).status, 416)
      for (const range of ["bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=-"]) {
        const whole = yield* get({ range })
        assert.deepStrictEqual([whole.status, yield* text(whole)], [200, "0123456789"], range)
      }
      const stale = yield* get({ range: "bytes=0-1", "if-range": '"old"' })
      assert.strictEqual(stale.status, 200)
      yield* text(stale)
      const fresh = yield* get({ range: "bytes=0-1", "if-range": etag })
      assert.deepStrictEqual([fresh.status, yield* text(fresh)], [206, "01"])
    })
  )

  it.scoped("what a crash has left is cleared after a day", () =>
    Effect.gen(function* () {
      const path = yield* tempFolder
      const folder = join(path, "clips")
      yield* Effect.scoped(filesystem({ folder }).make(host))
      mkdirSync(join(folder, ".uploads", "x"))
      writeFileSync(join(folder, ".uploads", "x", "1"), "part")
      writeFileSync(join(folder, ".tmp", "old"), "half")
      writeFileSync(join(folder, ".tmp", "young"), "coming in")
      const now = Date.now()
      for (const name of [".uploads/x", ".tmp/old"]) utimesSync(join(folder, name), now / 1000, now / 1000 - 86_500)
      utimesSync(join(folder, ".tmp", "young"), now / 1000, now / 1000 - 3600)
      yield* TestClock.setTime(now)
      yield* filesystem({ folder }).make(host)
      while (existsSync(join(folder, ".tmp/old")) || existsSync(join(folder, ".uploads/x"))) {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      }
      assert.deepStrictEqual(leftovers(folder), ["young"])
    })
  )

  it.scoped("a folder that can't be used is said at the start", () =>
    Effect.gen(function* () {
      const path = yield* tempFolder
      writeFileSync(join(path, "file"), "")
      symlinkSync(join(path, "nowhere", "at", "all"), join(path, "link"))
      const error = yield* failure(filesystem({ folder: join(path, "file", "clips") }).make(host))
      assert.strictEqual(error.reason, "Misconfigured")
      assert.include(error.message, join(path, "file"))
    })
  )

  it.scoped("memory takes no more than it was given, and gives back what was deleted", () =>
    Effect.gen(function* () {
      const storage = yield* memory({ maxBytes: 10 }).make(host)
      const put = Effect.fn(function* (key: string, body: string) {
        const signed = yield* storage.signPut(key, { contentType, expiresIn })
        const response = yield* (storage.serve ?? Effect.die)(
          new Request(Redacted.value(signed.url), { method: "PUT", headers: signed.headers, body })
        )
        return response.status
      })
      assert.strictEqual(yield* put("a", "123456"), 200)
      assert.strictEqual(yield* put("b", "12345"), 413)
      assert.strictEqual(yield* put("b", "1234"), 200)
      assert.strictEqual(yield* put("c", "1"), 413)
      yield* storage.delete("a")
      assert.strictEqual(yield* put("c", "123456"), 200)
      yield* storage.delete("b")
      yield* storage.delete("c")
      const uploadId = yield* storage.multipart.create("d", { contentType, partSize: 10 })
      const part = yield* storage.multipart.signPart("d", uploadId, 1, { expiresIn })
      const sent = yield* (storage.serve ?? Effect.die)(
        new Request(Redacted.value(part.url), { method: "PUT", body: "1234567" })
      )
      assert.strictEqual(sent.status, 200)
      assert.strictEqual(yield* put("e", "1234"), 413)
      yield* storage.multipart.complete("d", uploadId, [{ partNumber: 1, etag: sent.headers.get("etag") ?? "" }])
      assert.strictEqual(yield* put("e", "123"), 200)
      yield* storage.delete("d")
      assert.strictEqual(yield* put("f", "1234567"), 200)
    })
  )

  it.scoped("streams through a real server, backpressure and all", () =>
    Effect.gen(function* () {
      const { folder, serve, storage } = yield* local()
      const server = yield* Effect.acquireRelease(
        Effect.promise(
          () =>
            new Promise<import("node:http").Server>((resolve) => {
              const created = createServer((incoming, outgoing) => {
                const request = new Request(`http://localhost${incoming.url}`, {
                  method: incoming.method ?? "GET",
                  headers: Object.fromEntries(
                    Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])
                  ),
                  ...(incoming.method === "PUT" ? { body: Readable.toWeb(incoming), duplex: "half" } : {})
                  // Node's own stream type and the DOM's are two declarations of one thing.
                } as RequestInit)
                Effect.runPromise(serve(request)).then((response) => {
                  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
                  if (response.body === null) outgoing.end()
                  else Readable.fromWeb(response.body as import("node:stream/web").ReadableStream).pipe(outgoing)
                })
              })
              created.listen(0, "127.0.0.1", () => resolve(created))
            })
        ),
        (created) =>
          Effect.promise(() => {
            created.closeAllConnections()
            return new Promise((resolve) => created.close(resolve))
          })
      )
      const address = server.address()
      const base = typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : ""
      const at = (url: Redacted.Redacted) =>
        base + new URL(Redacted.value(url)).pathname.slice(4) + new URL(Redacted.value(url)).search
      const size = 40 * 1024 * 1024
      const body = Buffer.alloc(size, "0123456789abcdef")
      const put = yield* storage.signPut("big.mp4", { contentType, contentLength: size, expiresIn: "7 days" })
      const stored = yield* Effect.promise(() => fetch(at(put.url), { method: "PUT", headers: put.headers, body }))
      assert.strictEqual(stored.status, 200)
      assert.deepStrictEqual(leftovers(folder), [])
      const get = yield* storage.signGet("big.mp4", { expiresIn: "7 days" })
      const back = yield* Effect.promise(async () => Buffer.from(await (await fetch(at(get.url))).arrayBuffer()))
      assert.isTrue(back.equals(body))
    })
  )
})

describe("partsOf", () => {
  it("covers every byte once, in parts that every storage takes", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.maxSafeInteger().map(Math.abs), (big) => {
        const size = big % (5 * 1024 ** 4 + 1)
        const parts = partsOf(size)
        const [first] = parts
        const fits = parts.every(
          (part, index) =>
            part.partNumber === index + 1 &&
            part.offset === index * (first?.size ?? 0) &&
            (index === parts.length - 1 || (part.size === first?.size && part.size >= 5 * 1024 ** 2))
        )
        return fits && parts.length <= 10_000 && parts.reduce((sum, part) => sum + part.size, 0) === size
      }),
      { numRuns: 100, examples: [[0], [1], [64 * 1024 ** 2], [16 * 1024 ** 2 + 1], [5 * 1024 ** 4]] }
    )
  })
})
