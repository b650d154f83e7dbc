/**
 * `serve`: runs the manager until it is told to stop.
 */
import { createServer } from "node:net"
import { join } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as ConfigFolder from "../../adapters/node/ConfigFolder.js"
import * as DataFolder from "../../adapters/node/DataFolder.js"
import * as DataLock from "../../adapters/node/DataLock.js"
import * as ManagerLayer from "../../adapters/node/ManagerLayer.js"
import { type ListenError, NodeServer } from "../../adapters/node/NodeServer.js"
import * as Credentials from "../../services/Credentials.js"
import { nodeIdOf } from "../Access.js"
import { type CliError, failed } from "../CliError.js"
import * as LastServe from "../LastServe.js"
import { dockerCommand, isLoopback } from "../NodeCommandText.js"
import { noteLogger, Output, type OutputShape, paint } from "../Output.js"
import * as ServerLog from "../ServerLog.js"
import { baseOf, type Flags, renderOptions, resolveSettings, type Settings, settingTable } from "../Settings.js"

export interface ServeOptions extends Flags {
  readonly quiet: boolean
}

/** Requests in flight may finish within this. */
const GRACE = "2500 millis"
/** Whoever sends SIGTERM is promised 5 s: what is not done by then is left to the database's own recovery. */
const STOP_WITHIN = "4500 millis"

/** The base URL stands in every config, so the port has to be known before the server is. */
const freePort = (host: string): Effect.Effect<number, CliError> =>
  Effect.async((resume) => {
    const server = createServer()
    server.once("error", (error: NodeJS.ErrnoException) =>
      resume(explainListen({ host, port: 0, code: error.code ?? "", message: error.message }))
    )
    server.listen({ host, port: 0 }, () => {
      const address = server.address()
      const port = address !== null && typeof address === "object" ? address.port : 0
      server.close(() => resume(Effect.succeed(port)))
    })
  })

const explainListen = (error: Pick<ListenError, "host" | "port" | "code" | "message">): CliError => {
  const where = `${error.host}:${error.port}`
  switch (error.code) {
    case "EADDRINUSE":
      return failed(`Can't listen on ${where}: another program uses this port. Stop it, or take another port by --port`)
    case "EACCES":
      return failed(`Can't listen on ${where}: not allowed. Take a port of 1024 or above by --port`)
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return failed(`Can't listen on ${where}: this machine has no such address. Take another by --host`)
    default:
      return failed(error.message)
  }
}

const banner = (
  settings: Settings,
  base: string,
  key: Redacted.Redacted,
  color: boolean
): Effect.Effect<string, CliError> =>
  Effect.gen(function* () {
    const node = yield* nodeIdOf("node-1", "node")
    const secret = yield* (yield* Credentials.make({ key })).nodeToken(node)
    const label = (text: string) => paint(text.padEnd(6), "dim", color)
    const lines = [
      `${label("base")} ${base}`,
      settings.key === undefined
        ? `${label("key")} ${Redacted.value(key)} (kept in ${settings.data}/${DataFolder.KEY_FILE})`
        : `${label("key")} as given`,
      "",
      "Start a node, here with the id node-1, by:",
      "",
      dockerCommand({ base, node, secret, file: settings.nodeConfigFile }),
      "",
      "Other ids and forms: mtx-manager node-command ID [--docker|--compose|--shell]"
    ]
    return lines.join("\n")
  })

const warnings = (settings: Settings, base: string, created: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    for (const file of created) yield* Effect.logInfo(`created ${file}, an example to start from`)
    if (settings.base === undefined && !["127.0.0.1", "::1", "localhost"].includes(settings.host)) {
      yield* Effect.logWarning(
        `nodes on other machines can't reach ${base}: give the address that they use by ${settingTable.base.flag}`
      )
    }
    if (settings.key !== undefined && Redacted.value(settings.key).length < 16) {
      yield* Effect.logWarning(
        "the key given is short: whoever guesses it runs the fleet. Make one by: openssl rand -hex 32"
      )
    }
    if (new URL(base).protocol === "http:" && !isLoopback(base)) {
      yield* Effect.logWarning(`${base} is not encrypted: keys and configs travel in the open`)
    }
  })

/** `secrets` is what the log hides; the key, when it is known, is put to it. */
const run = (
  options: ServeOptions,
  settings: Settings,
  output: OutputShape,
  secrets: Array<Redacted.Redacted | undefined>
) =>
  Effect.gen(function* () {
    const { fresh } = yield* DataFolder.open(settings.data)
    yield* DataLock.acquire(settings)
    const key = settings.key ?? (yield* DataFolder.keepKey(settings.data))
    const previousKey =
      settings.previousKey ??
      // A key that was given is not the one that was rotated here.
      (settings.key === undefined
        ? Option.getOrUndefined(yield* DataFolder.readKey(settings.data, DataFolder.PREVIOUS_KEY_FILE))
        : undefined)
    secrets.push(key, previousKey)
    const places = yield* ConfigFolder.locate(settings.config, settings.data)
    const created = yield* ConfigFolder.createWhenAbsent(places, fresh)
    const port = settings.port === 0 ? yield* freePort(settings.host) : settings.port
    const base = baseOf(settings, port)
    const server = ManagerLayer.layer({
      ...renderOptions(settings, base),
      key,
      previousKey,
      adminKey: settings.adminKey,
      metricsKey: settings.metricsKey,
      viewerKey: settings.viewerKey,
      config: settings.config,
      configSource: settings.configSource,
      rules: places.manager,
      database: settings.database,
      clips: join(settings.data, "clips"),
      host: settings.host,
      port,
      grace: GRACE
    })
    yield* Effect.acquireUseRelease(
      Scope.make(),
      (scope) =>
        Effect.gen(function* () {
          const context = yield* Layer.buildWithScope(server, scope)
          const { url } = Context.get(context, NodeServer)
          yield* LastServe.write(settings, base)
          yield* warnings(settings, base, created)
          yield* output.line(`listening on ${url}`)
          if (!options.quiet) yield* output.line(yield* banner(settings, base, key, output.color))
          return yield* Effect.never
        }),
      (scope, exit) =>
        Effect.gen(function* () {
          if (Exit.isInterrupted(exit)) yield* Effect.logInfo("stopping")
          // In fibers of their own: this one has been interrupted, so whatever can be interrupted would end at once in it.
          const inTime = yield* Deferred.make<boolean>()
          yield* Effect.forkDaemon(
            Effect.ensuring(Effect.interruptible(Scope.close(scope, Exit.void)), Deferred.succeed(inTime, true))
          )
          yield* Effect.forkDaemon(Effect.zipRight(Effect.sleep(STOP_WITHIN), Deferred.succeed(inTime, false)))
          if (!(yield* Deferred.await(inTime))) {
            yield* Effect.logWarning(`not everything was done within ${STOP_WITHIN}: stopping all the same`)
          }
        })
    )
  }).pipe(Effect.scoped, Effect.catchTag("ListenError", explainListen))

export const serve = (
  options: ServeOptions
): Effect.Effect<
  void,
  CliError | DataFolder.DataFolderError | Exclude<ManagerLayer.ManagerError, ListenError>,
  FileSystem.FileSystem | Path.Path | Output
> =>
  Effect.gen(function* () {
    const output = yield* Output
    const settings = yield* resolveSettings(options, process.cwd())
    const secrets = [settings.key, settings.adminKey, settings.metricsKey, settings.viewerKey]
    const log = ServerLog.layer(noteLogger, { format: settings.logFormat, colors: output.noteColor, secrets })
    yield* Effect.provide(run(options, settings, output, secrets), log)
  })
