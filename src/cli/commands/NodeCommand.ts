/**
 * `node-command ID`: the command that makes a machine a node of this manager.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { DataFolderError } from "../../adapters/node/DataFolder.js"
import { type NodeCommandForm, nodeCommand as write } from "../../mediamtx/NodeCommand.js"
import * as Credentials from "../../services/Credentials.js"
import { keyOf, nodeIdOf, settingsOf } from "../Access.js"
import { type CliError, failed, usage } from "../CliError.js"
import { dockerCommand, isLoopback } from "../NodeCommandText.js"
import { Output } from "../Output.js"
import { baseOf, type Flags } from "../Settings.js"

export interface NodeCommandOptions extends Flags {
  readonly docker: boolean
  readonly compose: boolean
  readonly shell: boolean
  readonly token: Option.Option<string>
  readonly withKey: boolean
  readonly binary: Option.Option<string>
  readonly file: Option.Option<string>
  readonly image: Option.Option<string>
  readonly name: Option.Option<string>
  readonly node: string
}

const formOf = (options: NodeCommandOptions): Effect.Effect<NodeCommandForm, CliError> => {
  const given = (["docker", "compose", "shell"] as const).filter((form) => options[form])
  return given.length > 1
    ? usage(`${given.map((form) => `--${form}`).join(" and ")} exclude each other`)
    : Effect.succeed(given[0] ?? "docker")
}

export const nodeCommand = (
  options: NodeCommandOptions
): Effect.Effect<void, CliError | DataFolderError, FileSystem.FileSystem | Output> =>
  Effect.gen(function* () {
    const output = yield* Output
    const form = yield* formOf(options)
    const node = yield* nodeIdOf(options.node, "node")
    if (Option.isSome(options.token) && options.withKey) {
      return yield* usage("--token and --with-key exclude each other")
    }
    const settings = yield* settingsOf(options)
    const base = baseOf(settings)
    let secret: string | Redacted.Redacted
    if (Option.isSome(options.token)) secret = options.token.value
    else {
      const key = yield* keyOf(settings)
      secret = options.withKey ? key : yield* (yield* Credentials.make({ key })).nodeToken(node)
    }
    const command = {
      base,
      node,
      secret,
      binary: Option.getOrUndefined(options.binary),
      file: Option.getOrElse(options.file, () => settings.nodeConfigFile),
      image: Option.getOrUndefined(options.image),
      name: Option.getOrUndefined(options.name)
    }
    const text = yield* Effect.try({
      try: () => (form === "docker" ? dockerCommand(command) : write(form, command)),
      catch: (error) => failed(error instanceof Error ? error.message : String(error))
    })
    if (form === "compose" && isLoopback(base)) {
      yield* output.note(
        `warning: ${base} is not reachable from inside a container: give the address that nodes use by --base`
      )
    }
    yield* output.line(text.trimEnd())
  })
