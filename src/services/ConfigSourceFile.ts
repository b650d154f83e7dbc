/**
 * A ConfigSource that reads files and follows their edits.
 *
 * Either one file in the form of `mediamtx.yml`, or a folder with `base.yml` (what every node gets), `overlays.yml` (labels of
 * nodes, and what nodes get by them) and `nodes/ID.yml` (what node ID gets on top). Other files in the folder are others'
 * business.
 *
 * - A base that is missing, empty or invalid when the source starts is an error: there is nothing to serve. Later it
 *   is refused, and what was in force stays. So it is with `overlays.yml`, if there is one: it and the base go together.
 * - An overlay is judged merged with the base. A bad one is refused alone and says so in `rejected`; its last good version
 *   stays in force for its node. If there is none, the node is in `refused` and gets nothing new.
 * - A deleted overlay is an edit: its node gets the base. A deleted base is refused.
 *
 * Edits are seen by the file system's notifications, and by a look at sizes and times every few seconds in case these are
 * missed (network file systems, bind mounts, a folder that didn't exist). A file is read when it has been left alone for
 * a moment, so that one that is written in place is not read half-way.
 *
 * Runs wherever `@effect/platform` has a FileSystem, in practice on Node.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type ConfigDocument, formatIssues, formatSyntaxError, parseConfigText } from "../mediamtx/ConfigDocument.js"
import type { InvalidConfig } from "../mediamtx/ConfigIssue.js"
import { unknownKeys } from "../mediamtx/UnknownKeys.js"
import { ConfigSource, ConfigSourceError, type ConfigSourceShape, type FleetConfig } from "./ConfigSource.js"
import { combine, judge, makeValidators, type Reading, type Refusal } from "./internal/configSource.js"
import { isNodeId, type NodeId } from "./NodeId.js"

export interface ConfigSourceFileOptions {
  /** A file in the form of `mediamtx.yml`, or a folder with `base.yml`, `overlays.yml` and `nodes/ID.yml`. */
  readonly path: string
  /** How long a file must be left alone before it is read (default 100 milliseconds). */
  readonly settle?: Duration.DurationInput | undefined
  /** How often sizes and times are looked at (default 2 seconds). */
  readonly poll?: Duration.DurationInput | undefined
}

/** One file with its text, or why it has none. */
type FileText = Either.Either<string, ConfigSourceError>

interface Texts {
  readonly base: { readonly file: string; readonly text: FileText }
  readonly overlays: { readonly file: string; readonly text: FileText } | undefined
  readonly nodes: ReadonlyMap<NodeId, { readonly file: string; readonly text: FileText }>
  /** Overlay files whose names are no node ids. */
  readonly strays: ReadonlyArray<ConfigSourceError>
}

interface Read {
  readonly reading: Reading
  readonly text: string
  readonly document: ConfigDocument | undefined
}

const read = (file: string, text: FileText, required: boolean): Read => {
  if (Either.isLeft(text)) return { reading: Either.left(text.left), text: "", document: undefined }
  const parsed = parseConfigText(text.right, { file })
  if (Either.isLeft(parsed)) {
    const message = formatSyntaxError(parsed.left, text.right).trimEnd()
    return {
      reading: Either.left(new ConfigSourceError({ origin: file, message, cause: parsed.left })),
      text: text.right,
      document: undefined
    }
  }
  if (required && parsed.right.isEmpty) {
    const message = `${file}:1:1: error: sets nothing; MediaMTX would run on its defaults, open to everyone. Give at least one setting`
    return {
      reading: Either.left(new ConfigSourceError({ origin: file, message })),
      text: text.right,
      document: undefined
    }
  }
  return { reading: Either.right(parsed.right.value), text: text.right, document: parsed.right }
}

interface Placed {
  readonly file: string
  readonly read: Read
}

/** Issues with their places: in `overlays.yml` if it says the field, in the node's file if it is there, else in the base. */
const explain = (
  base: Placed,
  shared: Placed | undefined,
  overlay: Placed | undefined,
  error: InvalidConfig
): ConfigSourceError => {
  const inShared = error.errors.filter(({ field: [first] }) => first === "overlays" || first === "labels")
  const inOverlay = error.errors.filter(
    (issue) => overlay !== undefined && !inShared.includes(issue) && has(overlay.read.document, issue.field)
  )
  const inBase = error.errors.filter((issue) => !inOverlay.includes(issue) && !inShared.includes(issue))
  const print = (at: Placed, issues: InvalidConfig["errors"]) =>
    formatIssues({
      text: at.read.text,
      file: at.file,
      issues,
      positionOf: at.read.document?.positionOf
    })
  const where = overlay ?? (inShared.length > 0 && shared !== undefined ? shared : base)
  const others = [
    ...(inBase.length > 0 ? [base] : []),
    ...(inShared.length > 0 && shared !== undefined ? [shared] : [])
  ]
  const text =
    (overlay === undefined ? "" : print(overlay, inOverlay)) +
    (others.length > 0 && overlay !== undefined
      ? `${overlay.file}: error: does not go with ${others.map(({ file }) => file).join(" and ")}\n`
      : "") +
    (shared === undefined ? "" : print(shared, inShared)) +
    print(base, inBase)
  return new ConfigSourceError({ origin: where.file, message: text.trimEnd(), cause: error })
}

const has = (document: ConfigDocument | undefined, field: ReadonlyArray<string>): boolean => {
  let value: unknown = document?.value
  for (const key of field) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false
    value = Reflect.get(value, key)
  }
  return document !== undefined
}

const overlaySections = ["labels", "overlays"]

/** A section of another name would be passed over without a word. */
const checkSections = (file: string, read: Read): Read => {
  const issues = unknownKeys(read.document?.value ?? {}, overlaySections, [])
  if (issues.length === 0) return read
  const message = formatIssues({ text: read.text, file, issues, positionOf: read.document?.positionOf }).trimEnd()
  return { ...read, reading: Either.left(new ConfigSourceError({ origin: file, message })) }
}

/** Starts the source and follows edits until the scope closes. */
export const make = (
  options: ConfigSourceFileOptions
): Effect.Effect<ConfigSourceShape, ConfigSourceError, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const root = path.resolve(options.path)
    const settle = Duration.decode(options.settle ?? Duration.millis(100))
    const poll = Duration.decode(options.poll ?? Duration.seconds(2))

    const isFolder = yield* fs.stat(root).pipe(
      Effect.map((info) => info.type === "Directory"),
      Effect.mapError(
        (cause) =>
          new ConfigSourceError({
            origin: options.path,
            message: `${options.path}: error: can't be read (${cause.message}); give a file in the form of mediamtx.yml, or a folder with base.yml`,
            cause
          })
      )
    )
    // Messages name files as the user named them.
    const baseFile = isFolder ? path.join(options.path, "base.yml") : options.path
    const overlaysFile = isFolder ? path.join(options.path, "overlays.yml") : undefined
    const nodesFolder = isFolder ? path.join(options.path, "nodes") : undefined

    const overlayFiles: Effect.Effect<ReadonlyArray<string>> =
      nodesFolder === undefined
        ? Effect.succeed([])
        : fs.readDirectory(nodesFolder).pipe(
            // No folder of overlays, no overlays.
            Effect.orElseSucceed(() => []),
            Effect.map((names) => names.filter((name) => /\.ya?ml$/.test(name) && !name.startsWith(".")).sort())
          )

    /** Changes whenever a file may have. */
    const fingerprint: Effect.Effect<string> = Effect.gen(function* () {
      const names = yield* overlayFiles
      const files = [
        baseFile,
        ...(overlaysFile === undefined ? [] : [overlaysFile]),
        ...names.map((name) => path.join(nodesFolder ?? "", name))
      ]
      const marks = yield* Effect.forEach(
        files,
        (file) =>
          fs.stat(file).pipe(
            Effect.map(({ ino, mtime, size }) =>
              [
                file,
                Option.getOrElse(ino, () => 0),
                Option.match(mtime, { onNone: () => 0, onSome: Number }),
                size
              ].join("|")
            ),
            Effect.orElseSucceed(() => `${file}|missing`)
          ),
        { concurrency: 16 }
      )
      return marks.join("\n")
    })

    const textOf = (file: string): Effect.Effect<FileText> =>
      fs.readFileString(file).pipe(
        Effect.mapError(
          (cause) =>
            new ConfigSourceError({ origin: file, message: `${file}: error: can't be read (${cause.message})`, cause })
        ),
        Effect.either
      )

    const readAll: Effect.Effect<Texts> = Effect.gen(function* () {
      const nodes = new Map<NodeId, { readonly file: string; readonly text: FileText }>()
      const strays: Array<ConfigSourceError> = []
      for (const name of yield* overlayFiles) {
        const file = path.join(nodesFolder ?? "", name)
        const node = name.replace(/\.ya?ml$/, "")
        const stray = !isNodeId(node)
          ? "is not named by a node id: 1 to 64 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit"
          : nodes.has(node)
            ? `is for the same node as ${nodes.get(node)?.file}; keep one of the two`
            : undefined
        if (stray === undefined && isNodeId(node)) nodes.set(node, { file, text: yield* textOf(file) })
        else strays.push(new ConfigSourceError({ origin: file, message: `${file}: error: ${stray}` }))
      }
      const hasOverlays =
        overlaysFile !== undefined && (yield* Effect.orElseSucceed(fs.exists(overlaysFile), () => true))
      return {
        base: { file: baseFile, text: yield* textOf(baseFile) },
        overlays: hasOverlays ? { file: overlaysFile, text: yield* textOf(overlaysFile) } : undefined,
        nodes,
        strays
      }
    })

    /** Texts that nobody was writing to while they were read, with the fingerprint they belong to. */
    const readSettled: Effect.Effect<readonly [string, Texts]> = Effect.gen(function* () {
      for (let attempt = 0; ; attempt++) {
        const before = yield* fingerprint
        yield* Effect.sleep(settle)
        if ((yield* fingerprint) !== before) continue
        const texts = yield* readAll
        // Somebody who never stops writing must not keep everybody else's edits out.
        if ((yield* fingerprint) === before || attempt > 50) return [before, texts] as const
      }
    })

    const validators = makeValidators()
    const parsed = new Map<string, { readonly text: FileText; readonly read: Read }>()
    /** Parsing is the dear part, so only what has changed is parsed. */
    const readOf = (file: string, text: FileText, required: boolean): Read => {
      const known = parsed.get(file)
      if (known !== undefined && sameText(known.text, text)) return known.read
      const fresh = read(file, text, required)
      parsed.set(file, { text, read: fresh })
      return fresh
    }

    const weigh = (previous: FleetConfig | undefined, texts: Texts) => {
      const base = { file: texts.base.file, read: readOf(texts.base.file, texts.base.text, true) }
      const overlays = new Map(
        [...texts.nodes].map(([node, { file, text }]) => [node, { file, read: readOf(file, text, false) }] as const)
      )
      const shared =
        texts.overlays === undefined
          ? undefined
          : {
              file: texts.overlays.file,
              read: checkSections(texts.overlays.file, readOf(texts.overlays.file, texts.overlays.text, false))
            }
      const files = new Set([
        base.file,
        ...(shared === undefined ? [] : [shared.file]),
        ...[...overlays.values()].map(({ file }) => file)
      ])
      for (const file of parsed.keys()) if (!files.has(file)) parsed.delete(file)
      const verdict = judge(validators, previous, {
        base: base.read.reading,
        overlays: shared?.read.reading,
        nodes: new Map([...overlays].map(([node, overlay]) => [node, overlay.read.reading])),
        explain: (node, error) => explain(base, shared, node === undefined ? undefined : overlays.get(node), error)
      })
      return { config: verdict.config, refusal: combine(options.path, [...verdict.refusals, ...texts.strays]) }
    }

    let [mark, texts] = yield* readSettled
    const first = weigh(undefined, texts)
    if (first.config === undefined) {
      return yield* first.refusal?._tag === "ConfigSourceError"
        ? first.refusal
        : new ConfigSourceError({ origin: options.path, message: first.refusal?.message ?? "there is no config" })
    }
    let current = first.config
    const rejected = yield* Ref.make<Refusal | undefined>(undefined)
    // A subscriber that is 16 changes behind loses the oldest: only the newest config matters to anyone.
    const changes = yield* PubSub.sliding<FleetConfig>(16)

    const tell = Effect.fnUntraced(function* (refusal: Refusal | undefined) {
      const before = yield* Ref.getAndSet(rejected, refusal)
      if (refusal !== undefined && before?.message !== refusal.message) {
        yield* Effect.logWarning(`config edit refused, the last good config stays in force:\n${refusal.message}`)
      }
    })
    yield* tell(first.refusal)

    const look = Effect.gen(function* () {
      if ((yield* fingerprint) === mark) return
      ;[mark, texts] = yield* readSettled
      const before = current
      const { config, refusal } = weigh(before, texts)
      yield* tell(refusal)
      if (config === undefined || config === before) return
      current = config
      yield* PubSub.publish(changes, config)
      yield* Effect.logInfo("the edited config is in force")
    })

    /** Ends quietly when the folder isn't there, and is tried again: the regular look sees what happens meanwhile. */
    const notifications = (folder: string) =>
      fs.watch(folder).pipe(
        Stream.map(() => undefined),
        Stream.catchAll(() => Stream.empty),
        Stream.repeat(Schedule.spaced(poll))
      )

    // One look at a time; notifications that come meanwhile amount to one more look.
    yield* Stream.mergeAll(
      [
        notifications(isFolder ? root : path.dirname(root)),
        ...(nodesFolder === undefined ? [] : [notifications(path.resolve(nodesFolder))]),
        Stream.fromSchedule(Schedule.spaced(poll))
      ],
      { concurrency: "unbounded" }
    ).pipe(
      Stream.buffer({ capacity: 1, strategy: "sliding" }),
      Stream.runForEach(() => look),
      Effect.forkScoped
    )

    return {
      current: Effect.sync(() => current),
      unsafeCurrent: () => current,
      changes: Stream.fromPubSub(changes),
      rejected: Ref.get(rejected)
    }
  })

const sameText = (a: FileText, b: FileText): boolean =>
  Either.isRight(a) && Either.isRight(b)
    ? a.right === b.right
    : Either.isLeft(a) && Either.isLeft(b) && a.left.message === b.left.message

/**
 * The source as a layer.
 *
 * @example
 * ```ts
 * import { ConfigSourceFile } from "@livecams/mtx-manager"
 * import { NodeContext } from "@effect/platform-node"
 * import { Layer } from "effect"
 *
 * const config = ConfigSourceFile.layer({ path: "./config" }).pipe(Layer.provide(NodeContext.layer))
 * ```
 */
export const layer = (
  options: ConfigSourceFileOptions
): Layer.Layer<ConfigSource, ConfigSourceError, FileSystem.FileSystem | Path.Path> =>
  Layer.scoped(ConfigSource, make(options))
