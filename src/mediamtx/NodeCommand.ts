/**
 * The command that turns a machine into a node of the fleet: fetch the config, start MediaMTX with it.
 *
 * While the manager is away, or gives anything but a whole config, it waits and asks again; MediaMTX is never
 * started without a config (it would run on its defaults, open to everyone).
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"
import { managerUrl, plainFile, plainSecret, plainText, wholeSeconds } from "./CommandText.js"
import { END_MARKER } from "./EndMarker.js"
import { defaultConfigFile } from "./RefreshLoop.js"
import { stringify } from "./Yaml.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface NodeCommandOptions {
  /** The manager, as the node reaches it. */
  readonly base: string | URL
  readonly node: string
  /** This node's token, or the shared key. It stands in the command: whoever sees that may act as the node. */
  readonly secret: string | Redacted.Redacted
  /** MediaMTX's program (default `/mediamtx`, as in its image). */
  readonly binary?: string | undefined
  /** Where the config goes (default `/etc/mediamtx.yml`). `FILE.new` beside it must be writable. */
  readonly file?: string | undefined
  /** Seconds between two attempts, 1 to 3600 (default 3). */
  readonly pause?: number | undefined
  /** Seconds after which one attempt gives up, 1 to 300 (default 30). */
  readonly timeout?: number | undefined
  /** Image with `sh` and `busybox` (default `bluenviron/mediamtx:latest-ffmpeg`; the image without ffmpeg has neither). */
  readonly image?: string | undefined
  /** Ports in docker's form (default: all of MediaMTX's defaults for RTSP, RTMP, HLS, WebRTC and SRT). */
  readonly ports?: ReadonlyArray<string> | undefined
  /** Name of container and compose service (default `mediamtx`). */
  readonly name?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type NodeCommandForm = "shell" | "docker" | "compose"

/**
 * @since 0.1.0
 * @category models
 */
export const defaultNodeImage = "bluenviron/mediamtx:latest-ffmpeg"

/**
 * RTSP, RTMP, HLS, WebRTC (HTTP and media), SRT.
 *
 * @since 0.1.0
 * @category models
 */
export const defaultNodePorts: ReadonlyArray<string> = [
  "8554:8554/tcp",
  "1935:1935/tcp",
  "8888:8888/tcp",
  "8889:8889/tcp",
  "8189:8189/udp",
  "8890:8890/udp"
]

/**
 * The script of all forms, one line of POSIX shell. It has no single quote and no `$`: it can stand between single quotes
 * anywhere, and docker compose has nothing to replace in it.
 *
 * @throws CommandTextError
 * @since 0.1.0
 * @category constructors
 */
export const bootScript = (options: NodeCommandOptions): string => {
  const file = plainFile("file", options.file ?? defaultConfigFile)
  const binary = plainFile("binary", options.binary ?? "/mediamtx")
  const pause = wholeSeconds("pause", options.pause ?? 3, 1, 3600)
  const timeout = wholeSeconds("timeout", options.timeout ?? 30, 1, 300)
  const secret = plainSecret("secret", options.secret)
  // It tells which MediaMTX is about to start, so that the config is in its words; nothing where that can't be found out.
  const version = `\`"${binary}" --version 2>/dev/null | busybox tr -cd 0-9.v\``
  const url = `${managerUrl(options.base, "", { node: options.node, boot: "1" })}&version=${version}`
  return (
    // In a subshell, so that MediaMTX itself keeps the umask it was meant to run with: the config holds secrets, its
    // recordings may be for others.
    `until (umask 077; rm -f "${file}.new";` +
    ` busybox timeout ${timeout} busybox wget -q -O "${file}.new" --header "Authorization: Bearer ${secret}" "${url}"` +
    ` && test "\`tail -n 1 "${file}.new"\`" = "${END_MARKER}" && mv -f "${file}.new" "${file}");` +
    ` do echo "no config from the manager yet, next attempt in ${pause} s" >&2; sleep ${pause}; done;` +
    ` exec "${binary}" "${file}"`
  )
}

/**
 * For a machine with `sh`, `busybox` and MediaMTX.
 *
 * @throws CommandTextError
 * @since 0.1.0
 * @category constructors
 */
export const shellCommand = (options: NodeCommandOptions): string => `sh -c '${bootScript(options)}'`

/**
 * One `docker run`, several lines for people. It restarts always: MediaMTX ends with code 0 on an invalid config, which
 * `on-failure` takes for success.
 *
 * @throws CommandTextError
 * @since 0.1.0
 * @category constructors
 */
export const dockerCommand = (options: NodeCommandOptions): string => {
  const { image, name, ports } = container(options)
  return [
    "docker run -d",
    `--name '${name}'`,
    "--restart unless-stopped",
    ...ports.map((port) => `-p '${port}'`),
    "--entrypoint sh",
    `'${image}'`,
    `-c '${bootScript(options)}'`
  ].join(" \\\n  ")
}

/**
 * A compose file with one service.
 *
 * @throws CommandTextError
 * @since 0.1.0
 * @category constructors
 */
export const composeFile = (options: NodeCommandOptions): string => {
  const { image, name, ports } = container(options)
  return stringify({
    services: {
      [name]: {
        image,
        restart: "unless-stopped",
        ports: [...ports],
        entrypoint: ["sh", "-c"],
        command: [bootScript(options)]
      }
    }
  })
}

/**
 * @throws CommandTextError
 * @example
 * ```ts
 * import { nodeCommand } from "@livecams/mtx-manager"
 *
 * console.log(nodeCommand("docker", { base: "https://example.com", node: "cam-1", secret: "SHARED_KEY" }))
 * ```
 * @since 0.1.0
 * @category constructors
 */
export const nodeCommand = (form: NodeCommandForm, options: NodeCommandOptions): string => {
  switch (form) {
    case "shell":
      return shellCommand(options)
    case "docker":
      return dockerCommand(options)
    case "compose":
      return composeFile(options)
  }
}

const container = (options: NodeCommandOptions) => ({
  image: plainText("image", options.image ?? defaultNodeImage),
  name: plainText("name", options.name ?? "mediamtx"),
  ports: (options.ports ?? defaultNodePorts).map((port) => plainText("ports", port))
})
