/**
 * Who decides on access to a node: parts of a config that say so.
 *
 * @example
 * ```ts
 * import type { MediaMTXConfig } from "@livecams/mtx-manager"
 * import { http } from "@livecams/mtx-manager/auth"
 *
 * const auth = http({ base: "https://example.com/auth" })
 * const config = { ...auth.global, paths: { cam: {} } } satisfies MediaMTXConfig
 * ```
 */
export {
  type HttpAuthConfig,
  type HttpAuthOptions,
  http,
  type JwtAuthConfig,
  type JwtAuthOptions,
  jwt
} from "./mediamtx/AuthConfig.js"
