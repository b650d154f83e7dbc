/**
 * The docker command as it works where the manager is: with a base URL that only this machine understands, the container
 * has to use this machine's network.
 */
import { type NodeCommandOptions, dockerCommand as write } from "../mediamtx/NodeCommand.js"

/** Whether a URL means the very machine it is used on. */
export const isLoopback = (base: string | URL): boolean => {
  const { hostname } = new URL(base)
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.")
}

/** `docker run ...`, ready to be pasted. */
export const dockerCommand = (options: NodeCommandOptions): string =>
  isLoopback(options.base)
    ? write({ ...options, ports: [] }).replace("--entrypoint sh", "--network host \\\n  --entrypoint sh")
    : write(options)
