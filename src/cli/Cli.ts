/**
 * The commands of `mtx-manager`: their options and help. What they do is in `commands/`, one module each, loaded when the
 * command runs, so that `validate` does not wait for the server's code.
 */
import * as Args from "@effect/cli/Args"
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import * as Span from "@effect/cli/HelpDoc/Span"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Option from "effect/Option"
import { defaultNodeImage } from "../mediamtx/NodeCommand.js"
import { type CliError, exitCodes, usage } from "./CliError.js"
import { flagsOf, type KnownFlags, logLevels, readCommandLine } from "./CommandLine.js"
import * as Output from "./Output.js"
import { packageVersion } from "./PackageVersion.js"
import { settingOption, settingTable } from "./Settings.js"

const load = <Module>(module: () => Promise<Module>): Effect.Effect<Module> => Effect.promise(module)

const flag = (name: string, help: string): Options.Options<boolean> =>
  Options.boolean(name).pipe(Options.withDescription(help))

const text = (name: string, value: string, help: string): Options.Options<Option.Option<string>> =>
  Options.text(name).pipe(Options.withPseudoName(value), Options.withDescription(help), Options.optional)

const nodeArgument = Args.text({ name: "node" }).pipe(Args.withDescription("Id of the node, such as cam-north"))

const json = flag("json", "Print JSON, for programs")

const DESCRIPTION = "config, state and authentication for fleets of MediaMTX nodes, from one place"

const about = {
  serve: "Run the manager",
  validate: "Check mediamtx.yml files as MediaMTX would, without starting it",
  lint: "Find what a config leaves open to strangers, and what in it has no effect",
  render: "Print the exact config that a node gets; needs no running server",
  "node-command": "Print the command that starts a MediaMTX node of this manager",
  nodes: "List the nodes of a running manager",
  events: "Print the events of a running manager",
  clip: "Cut a clip out of what was recorded, and download it",
  jobs: "List the clip jobs of a running manager; cancel one, or put it back",
  plan: "Say what another config would change and drop on the nodes, without changing anything",
  "upgrade-check": "Say what becomes of the nodes' configs when they get another MediaMTX",
  revisions: "List the revisions of the config of a running manager, or print one",
  diff: "Say what differs between two revisions",
  apply: "Make a file or a folder the newest revision of the config",
  rollback: "Bring the config of an older revision back",
  rollouts: "List how changes of the config come to the nodes",
  rollout: "Resume, abort or promote a rollout",
  explain: "Say which layer the value of a field on a node comes from",
  import: "Make an existing mediamtx.yml the base config of the fleet",
  "rotate-key": "Make another shared key, and let nodes go over to it without dropping a stream",
  backup: "Write database, key and config of a server into one file, while it runs",
  restore: "Put a backup into a data folder"
} as const

/** Settings by which a command finds the data of a server, running or not. */
const locate = {
  base: settingOption("base"),
  key: settingOption("key"),
  data: settingOption("data")
}

const render = {
  ...locate,
  adminKey: settingOption("adminKey"),
  config: settingOption("config"),
  configSource: settingOption("configSource"),
  refreshEvery: settingOption("refreshEvery"),
  refreshMode: settingOption("refreshMode"),
  nodeConfigFile: settingOption("nodeConfigFile"),
  relay: settingOption("relay"),
  relayNodes: settingOption("relayNodes"),
  mediamtxVersion: settingOption("mediamtxVersion"),
  unknownFields: settingOption("unknownFields")
}

const serve = Command.make(
  "serve",
  {
    port: settingOption("port"),
    host: settingOption("host"),
    ...render,
    database: settingOption("database"),
    logFormat: settingOption("logFormat"),
    metricsKey: settingOption("metricsKey"),
    viewerKey: settingOption("viewerKey"),
    previousKey: settingOption("previousKey"),
    quiet: flag("quiet", "Print the address only: neither the key nor the command for nodes")
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Serve.js")),
      (module) => module.serve(options)
    )
).pipe(Command.withDescription(about.serve))

const validate = Command.make(
  "validate",
  {
    json,
    strict: flag("strict", "Fail on warnings as well"),
    files: Args.text({ name: "file" }).pipe(
      Args.withDescription("A mediamtx.yml; - reads standard input"),
      Args.atLeast(1)
    )
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Validate.js")),
      (module) => module.validate(options)
    )
).pipe(Command.withDescription(about.validate))

const lintCommand = Command.make(
  "lint",
  {
    json,
    failOn: Options.choice("fail-on", ["error", "warning", "info", "never"]).pipe(
      Options.withDescription("Exit with 1 on findings as bad as this, or worse [default error]"),
      Options.optional
    ),
    ignore: text("ignore", "RULES", "Ids of rules, separated by commas, that are not looked at"),
    image: text("image", "IMAGE", "The image that nodes run, to tell whether hooks can run in it"),
    data: settingOption("data"),
    config: settingOption("config"),
    configSource: settingOption("configSource"),
    target: Args.text({ name: "file-or-folder" }).pipe(
      Args.withDescription(
        "A mediamtx.yml, a manager.yml or a config folder; - reads standard input [default the server's config]"
      ),
      Args.optional
    )
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Lint.js")),
      (module) => module.lint(options)
    )
).pipe(Command.withDescription(about.lint))

const renderCommand = Command.make(
  "render",
  { node: text("node", "ID", "The node whose config is wanted"), ...render },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Render.js")),
      (module) => module.render(options)
    )
).pipe(Command.withDescription(about.render))

const nodeCommand = Command.make(
  "node-command",
  {
    docker: flag("docker", "A docker run command (the default)"),
    compose: flag("compose", "A service for docker-compose.yml"),
    shell: flag("shell", "A command for a machine with MediaMTX and busybox"),
    token: text("token", "TOKEN", "Token of the node, instead of the one derived from the key"),
    withKey: flag(
      "with-key",
      "Put the shared key into the command, which then fits any node, instead of this node's token"
    ),
    binary: text("binary", "FILE", "MediaMTX's program on the node [default /mediamtx, as in its image]"),
    file: text("file", "FILE", "Where the node has its config [default as the server's --node-config-file]"),
    image: text("image", "IMAGE", `Image with sh and busybox [default ${defaultNodeImage}]`),
    name: text("name", "NAME", "Name of the container or service [default mediamtx]"),
    ...locate,
    node: nodeArgument
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/NodeCommand.js")),
      (module) => module.nodeCommand(options)
    )
).pipe(Command.withDescription(about["node-command"]))

const remote = { ...locate, adminKey: settingOption("adminKey") }

const nodes = Command.make("nodes", { json, ...remote }, (options) =>
  Effect.flatMap(
    load(() => import("./commands/Nodes.js")),
    (module) => module.nodes(options)
  )
).pipe(Command.withDescription(about.nodes))

const events = Command.make(
  "events",
  {
    follow: flag("follow", "Go on with new events until interrupted").pipe(Options.withAlias("f")),
    after: text("after", "CURSOR", "Events after this cursor; 0 is all that are kept"),
    node: text("node", "ID", "Events of this node only"),
    json,
    ...remote
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Events.js")),
      (module) => module.events(options)
    )
).pipe(Command.withDescription(about.events))

const planCommand = Command.make(
  "plan",
  {
    node: text("node", "ID", "Plan for this node only"),
    json,
    offline: flag("offline", "Ask no running manager: from the data folder, without what is live on nodes"),
    ...render,
    file: Args.text({ name: "new" }).pipe(
      Args.withDescription(
        "A new base.yml or overlays.yml, a whole config as a file or a folder; - reads standard input"
      )
    )
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Plan.js")),
      (module) => module.plan(options)
    )
).pipe(Command.withDescription(about.plan))

const upgradeCheckCommand = Command.make(
  "upgrade-check",
  {
    node: text("node", "ID", "Check this node only"),
    from: text("from", "VERSION", "The MediaMTX before [default what the nodes say, else --mediamtx-version]"),
    json,
    offline: flag("offline", "Ask no running manager which nodes there are and what they run"),
    ...render,
    version: Args.text({ name: "version" }).pipe(Args.withDescription("The MediaMTX afterwards, such as 1.20.1"))
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/UpgradeCheck.js")),
      (module) => module.upgradeCheck(options)
    )
).pipe(Command.withDescription(about["upgrade-check"]))

const importCommand = Command.make(
  "import",
  {
    force: flag("force", "Replace an existing base config; a backup is kept"),
    data: settingOption("data"),
    config: settingOption("config"),
    file: Args.text({ name: "file" }).pipe(Args.withDescription("A mediamtx.yml; - reads standard input"))
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Import.js")),
      (module) => module.importConfig(options)
    )
).pipe(Command.withDescription(about.import))

const rotateKeyCommand = Command.make(
  "rotate-key",
  {
    finish: flag("finish", "Forget the previous key: no node goes by it any more"),
    data: settingOption("data")
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/RotateKey.js")),
      (module) => module.rotateKey(options)
    )
).pipe(Command.withDescription(about["rotate-key"]))

const backupCommand = Command.make(
  "backup",
  {
    withoutKey: flag("without-key", "Leave the key out: whoever has it runs the fleet"),
    force: flag("force", "Replace a file that is there"),
    data: settingOption("data"),
    config: settingOption("config"),
    database: settingOption("database"),
    file: Args.text({ name: "file" }).pipe(Args.withDescription("The tar archive to write"))
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Backup.js")),
      (module) => module.backup(options)
    )
).pipe(Command.withDescription(about.backup))

const restoreCommand = Command.make(
  "restore",
  {
    force: flag("force", "Also over what is there, which is kept beside it"),
    data: settingOption("data"),
    config: settingOption("config"),
    database: settingOption("database"),
    file: Args.text({ name: "file" }).pipe(Args.withDescription("What backup has written"))
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Restore.js")),
      (module) => module.restore(options)
    )
).pipe(Command.withDescription(about.restore))

const clip = Command.make(
  "clip",
  {
    start: Options.text("start").pipe(
      Options.withPseudoName("TIME"),
      Options.withDescription("Where it begins, such as 2026-01-31T12:00:00Z; or now")
    ),
    duration: Options.text("duration").pipe(
      Options.withPseudoName("DURATION"),
      Options.withDescription("How long it is, such as 10s or 1m30s")
    ),
    output: text("output", "FILE", "Where it goes; - is standard output [default the clip's own name, here]").pipe(
      Options.withAlias("o")
    ),
    format: Options.choice("format", ["mp4", "fmp4"]).pipe(
      Options.withDescription("fmp4 is fragmented [default mp4]"),
      Options.optional
    ),
    json: flag("json", "Print the clip's record as JSON"),
    ...remote,
    path: Args.text({ name: "path" }).pipe(Args.withDescription("Name of the recorded path, such as cam/1"))
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Clip.js")),
      (module) => module.clip(options)
    )
).pipe(Command.withDescription(about.clip))

const jobs = Command.make(
  "jobs",
  {
    state: Options.choice("state", ["queued", "leased", "uploading", "done", "failed", "expired", "cancelled"]).pipe(
      Options.withDescription("Jobs in this state only"),
      Options.optional
    ),
    cancel: text("cancel", "ID", "End this job"),
    retry: text("retry", "ID", "Put this failed, expired or cancelled job back"),
    json,
    ...remote
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Jobs.js")),
      (module) => module.jobs(options)
    )
).pipe(Command.withDescription(about.jobs))

const author = text("author", "NAME", "Who makes the change [default the user's name]")
const note = text("note", "TEXT", "Why").pipe(Options.withAlias("m"))

const revisionsCommand = Command.make(
  "revisions",
  {
    limit: Options.integer("limit").pipe(
      Options.withPseudoName("N"),
      Options.withDescription("How many are listed [default 20]"),
      Options.optional
    ),
    json,
    ...remote,
    revision: Args.text({ name: "revision" }).pipe(
      Args.withDescription("Print the config of this one as YAML, secrets and all"),
      Args.optional
    )
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Revisions.js")),
      (module) => module.revisions(options)
    )
).pipe(Command.withDescription(about.revisions))

const diff = Command.make(
  "diff",
  {
    json,
    ...remote,
    revisions: Args.text({ name: "revision" }).pipe(
      Args.withDescription("Two revisions; one: what it changed; none: what the newest changed"),
      Args.repeated
    )
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Revisions.js")),
      (module) => module.diff(options)
    )
).pipe(Command.withDescription(about.diff))

const apply = Command.make(
  "apply",
  {
    note,
    author,
    from: text("from", "REVISION", "What it was made from: refused when there is a newer one"),
    json,
    ...remote,
    source: Args.text({ name: "source" }).pipe(
      Args.withDescription(
        "A folder with base.yml, overlays.yml and nodes/ID.yml; a file with those as sections; a mediamtx.yml, which is the new base; - reads standard input"
      )
    )
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Apply.js")),
      (module) => module.apply(options)
    )
).pipe(Command.withDescription(about.apply))

const rollback = Command.make(
  "rollback",
  {
    note,
    author,
    json,
    ...remote,
    revision: Args.text({ name: "revision" }).pipe(Args.withDescription("The revision whose config is wanted back"))
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Revisions.js")),
      (module) => module.rollback(options)
    )
).pipe(Command.withDescription(about.rollback))

const explain = Command.make(
  "explain",
  {
    node: text("node", "ID", "The node that it is about"),
    json,
    offline: flag("offline", "Ask no running manager: from the data folder, with files and lines"),
    ...render,
    field: Args.text({ name: "field" }).pipe(
      Args.withDescription("logLevel, pathDefaults.record, paths.cam.record; a stream's name finds its entry")
    )
  },
  (options) =>
    Effect.flatMap(
      load(() => import("./commands/Explain.js")),
      (module) => module.explain(options)
    )
).pipe(Command.withDescription(about.explain))

const rolloutsCommand = Command.make("rollouts", { json, ...remote }, (options) =>
  Effect.flatMap(
    load(() => import("./commands/Rollouts.js")),
    (module) => module.rollouts(options)
  )
).pipe(Command.withDescription(about.rollouts))

const rolloutCommand = Command.make(
  "rollout",
  {
    json,
    ...remote,
    action: Args.choice(
      [
        ["resume", "resume"],
        ["abort", "abort"],
        ["promote", "promote"]
      ] as const,
      { name: "action" }
    ).pipe(Args.withDescription("resume: go on after a halt; abort: back for every node; promote: to every node now")),
    id: Args.integer({ name: "id" }).pipe(Args.withDescription("The number that rollouts lists"))
  },
  ({ action, ...options }) =>
    Effect.flatMap(
      load(() => import("./commands/Rollouts.js")),
      (module) => module.act(action)(options)
    )
).pipe(Command.withDescription(about.rollout))

const subcommands = [
  serve,
  validate,
  lintCommand,
  renderCommand,
  nodeCommand,
  nodes,
  events,
  clip,
  jobs,
  planCommand,
  upgradeCheckCommand,
  revisionsCommand,
  diff,
  apply,
  rollback,
  rolloutsCommand,
  rolloutCommand,
  explain,
  importCommand,
  rotateKeyCommand,
  backupCommand,
  restoreCommand
] as const

const root = Command.make("mtx-manager").pipe(
  Command.withDescription(DESCRIPTION),
  Command.withSubcommands(subcommands)
)

/**
 * The program's help. The parser's own puts every option of every command on one line each, too wide for any terminal.
 */
const rootHelp = (color: boolean): string => {
  const section = (title: string, rows: ReadonlyArray<readonly [string, string]>): string =>
    `${Output.paint(title, "bold", color)}\n${Output.table(rows.map(([name, about]) => [`  ${name}`, about]))}`
  return [
    `mtx-manager ${packageVersion()}: ${DESCRIPTION}`,
    `${Output.paint("Usage", "bold", color)}\n  mtx-manager COMMAND [OPTIONS]\n  mtx-manager COMMAND --help`,
    section("Commands", Object.entries(about)),
    section("Options of every command", [
      ["-h, --help", "What the command does and takes"],
      ["--log-level LEVEL", `${logLevels.join(", ")} [MANAGER_LOG_LEVEL, default info]`],
      ["--completions SHELL", "Print a completion script for bash, fish or zsh"],
      ["--wizard", "Put the command together by answering questions"],
      ["--version", "Print the version"]
    ]),
    section("Environment", [
      ...Object.values(settingTable).map(({ flag, variable }) => [variable, `Same as ${flag}, which wins`] as const),
      ["NO_COLOR", "Set to any text: no colours"]
    ]),
    section("Exit codes", [
      ["0", "Done; of serve: stopped by SIGINT or SIGTERM"],
      ["1", "Could not be done, or a checked file is not valid"],
      ["2", "The command line or a setting is wrong; nothing was done"],
      ["3", "Of plan: the change would drop something that is live"]
    ])
  ].join("\n\n")
}

const knownCommands: ReadonlyMap<string, KnownFlags> = new Map(
  [...Command.getSubcommands(root)].map(([name, command]) => [name, flagsOf(CommandDescriptor.getUsage(command))])
)

const levelNames: Readonly<Record<string, LogLevel.LogLevel>> = {
  ...Object.fromEntries(LogLevel.allLevels.map((level) => [level._tag.toLowerCase(), level])),
  warn: LogLevel.Warning
}

/** `MANAGER_LOG_LEVEL`; the flag, which the argument parser applies inside of this, wins over it. */
const logLevel: Effect.Effect<LogLevel.LogLevel, CliError> = Config.string("MANAGER_LOG_LEVEL").pipe(
  Effect.orElseSucceed(() => ""),
  Effect.flatMap((name) => {
    const level = name === "" ? LogLevel.Info : levelNames[name.toLowerCase()]
    return level === undefined
      ? usage(`MANAGER_LOG_LEVEL: ${JSON.stringify(name)} is unknown; expected one of ${logLevels.join(", ")}`)
      : Effect.succeed(level)
  })
)

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const run = (argv: ReadonlyArray<string>, output: Output.OutputShape): Effect.Effect<number> => {
  const problem = (message: string): string =>
    `${Output.paint("error:", "red", output.noteColor)} ${message.split("\n").join("\n       ")}`
  const program = Effect.gen(function* () {
    const words = argv.slice(2)
    if (words.length === 0 || (words.length === 1 && (words[0] === "--help" || words[0] === "-h"))) {
      return yield* output.line(rootHelp(output.color))
    }
    const read = readCommandLine(words, knownCommands)
    if (Either.isLeft(read)) return yield* usage(read.left)
    const level = yield* logLevel
    yield* Logger.withMinimumLogLevel(
      Command.run(root, {
        name: "mtx-manager",
        version: packageVersion(),
        summary: Span.text(DESCRIPTION)
      })([...argv.slice(0, 2), ...read.right]),
      level
    )
  })
  return program.pipe(
    Effect.as<number>(exitCodes.ok),
    Effect.catchAll((error) => {
      // The parser has printed its own.
      if (ValidationError.isValidationError(error)) return Effect.succeed<number>(exitCodes.usage)
      const code: number =
        error instanceof Error && error._tag === "CliError" ? exitCodes[error.reason] : exitCodes.failed
      const message = messageOf(error)
      return message === "" ? Effect.succeed(code) : Effect.as(output.note(problem(message)), code)
    }),
    Effect.catchAllDefect((defect) =>
      Effect.as(
        output.note(
          problem(
            `this is a bug in mtx-manager: ${defect instanceof Error ? (defect.stack ?? defect.message) : String(defect)}`
          )
        ),
        exitCodes.failed
      )
    ),
    Effect.provide(
      Layer.mergeAll(
        NodeFileSystem.layer,
        NodePath.layer,
        NodeTerminal.layer,
        Layer.succeed(Output.Output, output),
        Output.layerConsole(output),
        Logger.replace(Logger.defaultLogger, Output.noteLogger),
        CliConfig.layer({ isCaseSensitive: true, showBuiltIns: false })
      )
    )
  )
}

/** Runs the program and ends the process. */
export const main = (argv: ReadonlyArray<string>): void => {
  const output = Output.make({ stdout: process.stdout, stderr: process.stderr, noColor: process.env["NO_COLOR"] })
  // `mtx-manager events | head`: the reader has gone, and with it the reason to go on.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1))
  NodeRuntime.runMain(run(argv, output), {
    disableErrorReporting: true,
    disablePrettyLogger: true,
    teardown: (exit) => {
      if (Exit.isSuccess(exit)) process.exit(Number(exit.value))
      if (Cause.isInterruptedOnly(exit.cause)) process.exit(exitCodes.ok)
      process.stderr.write(`${Cause.pretty(exit.cause)}\n`)
      process.exit(exitCodes.failed)
    }
  })
}
