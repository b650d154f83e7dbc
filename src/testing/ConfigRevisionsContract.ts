/**
 * What every ConfigRevisions layer must do, as a test suite for vitest: run your own store through it.
 *
 * @example
 * ```ts
 * configRevisionsContract("ConfigRevisions.layerMemory", { layer: ConfigRevisions.layerMemory })
 * ```
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as ConfigRevisions from "../services/ConfigRevisions.js"
import type { FleetDocument } from "../services/FleetDocument.js"
import { NodeId } from "../services/NodeId.js"

export interface ConfigRevisionsContractOptions<E> {
  /** Makes an empty one of its own each time that the layer is built. */
  readonly layer: (options?: ConfigRevisions.ConfigRevisionsOptions) => Layer.Layer<ConfigRevisions.ConfigRevisions, E>
  /**
   * Makes an empty storage; each layer that the result gives opens it anew, as another process would. Absent: what is kept
   * ends with the layer.
   */
  readonly storage?:
    | Effect.Effect<
        (options?: ConfigRevisions.ConfigRevisionsOptions) => Layer.Layer<ConfigRevisions.ConfigRevisions, E>,
        E,
        Scope.Scope
      >
    | undefined
}

const cam = (maxReaders: number): FleetDocument => ({ base: { paths: { cam: { maxReaders } } } })

const rich: FleetDocument = {
  base: { logLevel: "info", paths: { "cams/a": { source: "rtsp://u:s3cret-pw@10.0.0.1/x" }, all_others: {} } },
  labels: { "eu-*": { region: "eu" } },
  overlays: [
    { name: "europe", nodes: "region=eu", config: { logLevel: "debug" } },
    { name: "cams", paths: "cams/*", config: { record: true } }
  ],
  nodes: { "eu-1": { rtmp: false }, z: {} }
}

export const configRevisionsContract = <E>(name: string, options: ConfigRevisionsContractOptions<E>): void => {
  /** In a scope of its own, with the service. */
  const test = (
    title: string,
    body: (revisions: ConfigRevisions.ConfigRevisionsShape) => Effect.Effect<void, unknown, Scope.Scope>,
    settings?: ConfigRevisions.ConfigRevisionsOptions
  ) =>
    it.scoped(title, () =>
      Effect.flatMap(ConfigRevisions.ConfigRevisions, body).pipe(Effect.provide(options.layer(settings)))
    )

  describe(`${name} keeps the contract of ConfigRevisions`, () => {
    test("numbers what it takes, and says who, when, why and what", (revisions) =>
      Effect.gen(function* () {
        assert.isUndefined(yield* revisions.newest)
        assert.isUndefined(revisions.unsafeFleet())
        assert.deepStrictEqual(yield* revisions.list(), [])
        yield* TestClock.setTime(1_800_000_000_000)
        const first = yield* revisions.append({ config: cam(1), author: "ann", note: "begin" })
        assert.isTrue(first.created)
        yield* TestClock.adjust("1 second")
        yield* revisions.append({ config: cam(2), author: "bob" })
        const [second, one] = yield* revisions.list()
        assert.deepInclude(one, { revision: 1, at: 1_800_000_000_000, author: "ann", note: "begin", origin: "seed" })
        assert.deepInclude(second, {
          revision: 2,
          at: 1_800_000_001_000,
          author: "bob",
          note: "",
          origin: "edit",
          restores: null,
          changes: { total: 1, fields: ["base.paths.cam.maxReaders"] }
        })
        const newest = yield* revisions.newest
        assert.deepStrictEqual(newest?.config, cam(2))
        assert.deepStrictEqual(yield* revisions.get(1), { ...first.revision, config: cam(1) })
        assert.deepStrictEqual(revisions.unsafeFleet()?.base, cam(2).base)
        assert.strictEqual(revisions.unsafeFleet()?.revision, 2)
      }))

    test("keeps all of a config, and gives back what it took", (revisions) =>
      Effect.gen(function* () {
        const { revision } = yield* revisions.append({ config: rich, author: "ann" })
        assert.deepStrictEqual(revision.config, rich)
        assert.deepStrictEqual((yield* revisions.get(1)).config, rich)
        const fleet = revisions.unsafeFleet()
        assert.deepStrictEqual(fleet?.labels, { "eu-*": { region: "eu" } })
        assert.deepStrictEqual(
          fleet?.overlays?.map(({ name }) => name),
          ["europe", "cams"]
        )
        assert.deepStrictEqual(fleet?.nodes.get(NodeId.make("eu-1")), { rtmp: false })
        // Larger than what some databases take at once, with characters of all sizes where it is cut.
        const note = "ä€😀".repeat(150_000)
        const big: FleetDocument = { base: { paths: { cam: { runOnInit: `echo ${note}` } } } }
        yield* revisions.append({ config: big, author: "ann" })
        yield* revisions.append({ config: cam(1), author: "ann" })
        assert.deepStrictEqual((yield* revisions.get(2)).config, big)
      }))

    test("makes no revision of nothing", (revisions) =>
      Effect.gen(function* () {
        yield* revisions.append({ config: rich, author: "ann" })
        const same = yield* revisions.append({ config: structuredClone(rich), author: "bob", expected: 1 })
        assert.isFalse(same.created)
        assert.strictEqual(same.revision.author, "ann")
        assert.strictEqual((yield* revisions.list()).length, 1)
      }))

    test("takes a change only from who has seen the newest", (revisions) =>
      Effect.gen(function* () {
        yield* revisions.append({ config: cam(1), author: "ann", expected: 0 })
        yield* revisions.append({ config: cam(2), author: "ann", expected: 1 })
        const error = yield* Effect.flip(revisions.append({ config: cam(3), author: "bob", expected: 1 }))
        assert.strictEqual(error._tag, "RevisionConflict")
        if (error._tag === "RevisionConflict") {
          assert.strictEqual(error.expected, 1)
          assert.deepInclude(error.newest, { revision: 2, author: "ann" })
        }
        assert.deepStrictEqual(revisions.unsafeFleet()?.base, cam(2).base)
        // Without having looked at all.
        assert.strictEqual((yield* revisions.append({ config: cam(3), author: "bob" })).revision.revision, 3)
      }))

    test("lets one of many at once win", (revisions) =>
      Effect.gen(function* () {
        yield* revisions.append({ config: cam(0), author: "ann" })
        const outcomes = yield* Effect.forEach(
          [1, 2, 3, 4, 5],
          (count) => Effect.either(revisions.append({ config: cam(count), author: `${count}`, expected: 1 })),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(outcomes.filter(Either.isRight).length, 1)
        assert.strictEqual((yield* revisions.newest)?.revision, 2)
        assert.strictEqual((yield* revisions.list()).length, 2)
      }))

    test("refuses what is not valid for every node, all of it, and says where", (revisions) =>
      Effect.gen(function* () {
        yield* revisions.append({ config: cam(1), author: "ann" })
        const fields = (config: FleetDocument, known: ReadonlyArray<NodeId> = []) =>
          Effect.flatMap(Effect.flip(revisions.append({ config, author: "ann", known })), (error) =>
            error._tag === "InvalidConfig"
              ? Effect.succeed(error.errors.map(({ fieldText }) => fieldText))
              : Effect.dieMessage(error._tag)
          )
        assert.deepStrictEqual(yield* fields({ base: { logLevl: "info" } }), ["base.logLevl"])
        assert.deepStrictEqual(yield* fields({ ...cam(1), nodes: { "a b": {} } }), ['nodes["a b"]'])
        assert.deepStrictEqual(yield* fields({ ...cam(1), nodes: { n1: { paths: { cam: { x: 1 } } }, n2: {} } }), [
          "nodes.n1.paths.cam.x"
        ])
        assert.deepStrictEqual(
          yield* fields({
            ...cam(1),
            overlays: [{ name: "o", nodes: "region", config: { rtsp: 7 } }],
            labels: { "*": { region: "x" } }
          }),
          ["overlays[0].config.rtsp"]
        )
        const odd: FleetDocument = { ...cam(1), overlays: [{ name: "o", nodes: "node=abc*z", config: { rtsp: 7 } }] }
        assert.deepStrictEqual(yield* fields(odd, [NodeId.make("abcz")]), ["overlays[0].config.rtsp"])
        assert.isDefined(yield* revisions.rejected)
        assert.strictEqual((yield* revisions.list()).length, 1)
        assert.deepStrictEqual(revisions.unsafeFleet()?.base, cam(1).base)
        yield* revisions.append({ config: cam(2), author: "ann" })
        assert.isUndefined(yield* revisions.rejected)
      }))

    test("goes back by a new revision", (revisions) =>
      Effect.gen(function* () {
        yield* revisions.append({ config: cam(1), author: "ann" })
        yield* revisions.append({ config: cam(2), author: "ann" })
        const { created, revision } = yield* revisions.rollback({ to: 1, author: "bob", note: "too many" })
        assert.isTrue(created)
        assert.deepInclude(revision, { revision: 3, origin: "rollback", restores: 1, author: "bob", note: "too many" })
        assert.deepStrictEqual(revisions.unsafeFleet()?.base, cam(1).base)
        assert.strictEqual(revision.hash, (yield* revisions.get(1)).hash)
        assert.isFalse((yield* revisions.rollback({ to: 1, author: "bob" })).created)
        const gone = yield* Effect.flip(revisions.rollback({ to: 9, author: "bob" }))
        assert.strictEqual(gone._tag, "RevisionNotFound")
        const late = yield* Effect.flip(revisions.rollback({ to: 2, author: "bob", expected: 2 }))
        assert.strictEqual(late._tag, "RevisionConflict")
      }))

    test("says what differs, without secrets", (revisions) =>
      Effect.gen(function* () {
        yield* revisions.append({ config: cam(1), author: "ann" })
        yield* revisions.append({ config: rich, author: "ann" })
        const found = yield* revisions.diff(1, 2)
        assert.deepStrictEqual(
          found.map(({ change, field }) => `${change} ${field}`),
          [
            "added base.logLevel",
            "removed base.paths.cam.maxReaders",
            'added base.paths["cams/a"].source',
            "added base.paths.all_others",
            'added labels["eu-*"].region',
            "added overlays.europe",
            "added overlays.europe.config.logLevel",
            "added overlays.cams",
            "added overlays.cams.config.record",
            'added nodes["eu-1"].rtmp',
            "added nodes.z"
          ]
        )
        assert.notInclude(JSON.stringify(found), "s3cret")
        assert.deepStrictEqual(yield* revisions.diff(2, 2), [])
        assert.deepStrictEqual(
          (yield* revisions.diff(0, 1)).map(({ field }) => field),
          ["base.paths.cam.maxReaders"]
        )
        assert.strictEqual((yield* Effect.flip(revisions.diff(1, 7)))._tag, "RevisionNotFound")
      }))

    test("lists page by page", (revisions) =>
      Effect.gen(function* () {
        for (const count of [1, 2, 3, 4, 5]) yield* revisions.append({ config: cam(count), author: "ann" })
        const numbers = (page: ReadonlyArray<ConfigRevisions.RevisionInfo>) => page.map(({ revision }) => revision)
        assert.deepStrictEqual(numbers(yield* revisions.list({ limit: 2 })), [5, 4])
        assert.deepStrictEqual(numbers(yield* revisions.list({ limit: 2, before: 4 })), [3, 2])
        assert.deepStrictEqual(numbers(yield* revisions.list({ before: 1 })), [])
      }))

    test(
      "forgets the oldest, and never uses a number again",
      (revisions) =>
        Effect.gen(function* () {
          for (const count of [1, 2, 1, 3]) yield* revisions.append({ config: cam(count), author: "ann" })
          assert.deepStrictEqual(
            (yield* revisions.list()).map(({ revision }) => revision),
            [4, 3]
          )
          assert.strictEqual((yield* Effect.flip(revisions.get(2)))._tag, "RevisionNotFound")
          // What a forgotten revision held as well is still there.
          assert.deepStrictEqual((yield* revisions.get(3)).config, cam(1))
        }),
      { keep: 2 }
    )

    test("tells of each new revision, and only of those", (revisions) =>
      Effect.gen(function* () {
        const told = yield* Effect.fork(Stream.runCollect(Stream.take(revisions.changes, 2)))
        yield* Effect.yieldNow()
        yield* Effect.yieldNow()
        yield* revisions.append({ config: cam(1), author: "ann" })
        yield* revisions.append({ config: cam(1), author: "ann" })
        yield* Effect.ignore(revisions.append({ config: { base: { x: 1 } }, author: "ann" }))
        yield* revisions.append({ config: cam(2), author: "ann" })
        assert.deepStrictEqual(
          [...(yield* Fiber.join(told))].map(({ revision }) => revision),
          [1, 2]
        )
      }))

    test(
      "where it is told from elsewhere, takes no change, but keeps the history",
      (revisions) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(revisions.append({ config: cam(1), author: "ann" }))
          assert.strictEqual(error._tag, "RevisionsReadOnly")
          assert.strictEqual(error.message, "edit the files")
          const record = (count: number) =>
            revisions.record({ config: cam(count), author: "files", note: ([first]) => first?.field ?? "" })
          assert.deepInclude(yield* record(1), { revision: 1, origin: "seed" })
          assert.deepInclude(yield* record(2), { revision: 2, origin: "files", note: "base.paths.cam.maxReaders" })
          assert.deepInclude(yield* record(2), { revision: 2 })
          assert.strictEqual((yield* revisions.list()).length, 2)
        }),
      { readOnly: "edit the files" }
    )

    const { storage } = options
    if (storage !== undefined) {
      it.scoped("is there after a restart", () =>
        Effect.gen(function* () {
          const open = yield* storage
          yield* Effect.flatMap(ConfigRevisions.ConfigRevisions, (revisions) =>
            Effect.zipRight(
              revisions.append({ config: cam(1), author: "ann" }),
              revisions.append({ config: rich, author: "ann", note: "rich" })
            )
          ).pipe(Effect.provide(Layer.fresh(open())))
          yield* Effect.gen(function* () {
            const revisions = yield* ConfigRevisions.ConfigRevisions
            assert.deepInclude(yield* revisions.newest, { revision: 2, note: "rich", config: rich })
            assert.strictEqual(revisions.unsafeFleet()?.revision, 2)
            assert.isFalse((yield* revisions.append({ config: rich, author: "bob", expected: 2 })).created)
            assert.deepStrictEqual((yield* revisions.get(1)).config, cam(1))
          }).pipe(Effect.provide(Layer.fresh(open())))
        })
      )

      it.scoped("is shared by managers: one of two wins, and each sees what the other has made", () =>
        Effect.gen(function* () {
          const open = yield* storage
          const here = yield* Layer.build(Layer.fresh(open()))
          const there = yield* Layer.build(Layer.fresh(open()))
          const one = yield* Effect.provide(ConfigRevisions.ConfigRevisions, here)
          const two = yield* Effect.provide(ConfigRevisions.ConfigRevisions, there)
          yield* one.append({ config: cam(1), author: "ann", expected: 0 })
          const error = yield* Effect.flip(two.append({ config: cam(2), author: "bob", expected: 0 }))
          assert.strictEqual(error._tag, "RevisionConflict")
          assert.deepStrictEqual(two.unsafeFleet()?.base, cam(1).base, "the winner's is in force there as well")
          // Without saying what it was made from: it goes on top.
          yield* two.append({ config: cam(2), author: "bob" })
          assert.strictEqual((yield* one.append({ config: cam(3), author: "ann" })).revision.revision, 3)
          yield* two.refresh
          assert.deepInclude(yield* two.newest, { revision: 3, config: cam(3) })
        })
      )
    }
  })
}
