/**
 * The relay in the updater, which stands between a node and the manager for hooks and auth questions: where a config says
 * that it is.
 */
import { CommandTextError, managerUrl } from "./CommandText.js"

export interface RelayOptions {
  /**
   * Where MediaMTX reaches the relay of its updater: `127.0.0.1:9995` on one machine, `updater:9995` where `updater` is the
   * updater's container. Not a place for all to reach: passwords go there without TLS.
   */
  readonly address: string
  /** Which nodes have a relay: ids, in which `*` stands for any text (default: all nodes). */
  readonly nodes?: ReadonlyArray<string> | undefined
}

/** Of one config: the relay's URL, and for which nodes. */
export interface Relay {
  readonly url: string
  readonly has: (node: string) => boolean
}

const refuse = (option: string, message: string): never => {
  throw new CommandTextError({ option, message: `${option} ${message}` })
}

/** @throws CommandTextError */
export const makeRelay = (options: RelayOptions): Relay => {
  const { address, nodes } = options
  const port = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/.exec(address)?.[1]
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535) {
    return refuse("relay.address", "is not a host and a port, such as 127.0.0.1:9995 or updater:9995")
  }
  const url = managerUrl(`http://${address}`, "", {}, "relay.address").replace(/\/$/, "")
  if (nodes === undefined) return { url, has: () => true }
  const patterns = nodes.map((pattern) =>
    /^[A-Za-z0-9._*-]{1,64}$/.test(pattern)
      ? new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll("*", ".*")}$`)
      : refuse("relay.nodes", "has something that no node can be called; give ids such as cam-1, or cam-* for many")
  )
  return { url, has: (node) => patterns.some((pattern) => pattern.test(node)) }
}

const LINE = "# Its hooks and questions go to the relay at "

/** A comment in the config, by which an updater that has no relay knows not to put it in place. */
export const relayLine = (url: string): string => `${LINE}${url}\n`

/** The URL of the relay that a config counts on; undefined when it goes to the manager itself. */
export const relayOf = (yaml: string): string | undefined => {
  const at = yaml.lastIndexOf(`\n${LINE}`)
  return at === -1 ? undefined : yaml.slice(at + 1 + LINE.length, yaml.indexOf("\n", at + 1))
}
