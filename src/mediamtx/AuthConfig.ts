/**
 * The part of a config that says who decides on access: the manager, asked each time ({@link http}), or the node itself by
 * signed tokens ({@link jwt}). Each spreads into a config:
 *
 * ```ts
 * const auth = http({ base: "https://example.com/auth" })
 * const config = { ...auth.global, paths: { cam: {} } } satisfies MediaMTXConfig
 * ```
 *
 * The same options give the same bytes, always: any change in these fields drops every stream of the node.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import { managerUrl } from "./CommandText.js"
import type { AuthPermission, MediaMTXConfig } from "./MediaMTXConfig.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface HttpAuthOptions {
  /** The URL that is asked, as the node reaches it: `https://example.com/auth`. */
  readonly base: string | URL
  /** Says which node asks: nothing else in the request does. */
  readonly node?: string | undefined
  /** The node's token, or the shared key: MediaMTX can't send a header, so it stands in the URL. */
  readonly token?: string | Redacted.Redacted | undefined
  /** What everybody may do unasked, from any address that reaches the port (default: nothing). */
  readonly exclude?: ReadonlyArray<AuthPermission> | undefined
  /** SHA-256 of the server's certificate, in hex: exactly that one is trusted, self-signed or not. MediaMTX 1.16.1 on. */
  readonly fingerprint?: string | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface JwtAuthOptions {
  /** The URL of the public keys, as the node reaches it: `https://example.com/jwks.json`. The node keeps them for an hour. */
  readonly jwks: string | URL
  /** The claim that lists what the bearer may do (default `mediamtx_permissions`). */
  readonly claimKey?: string | undefined
  /** `iss` that a token must have (default: any). MediaMTX 1.17 on. */
  readonly issuer?: string | undefined
  /** `aud` that a token must have (default: any). MediaMTX 1.17 on. */
  readonly audience?: string | undefined
  /**
   * What everybody may do without a token, from any address that reaches the port (default: nothing). Note that the node's
   * own API, metrics and playback want a token too.
   */
  readonly exclude?: ReadonlyArray<AuthPermission> | undefined
  /** SHA-256 of the server's certificate, in hex: exactly that one is trusted, self-signed or not. */
  readonly fingerprint?: string | undefined
}

type HttpFields = "authMethod" | "authHTTPAddress" | "authHTTPExclude" | "authHTTPFingerprint"
type JwtFields =
  | "authMethod"
  | "authJWTJWKS"
  | "authJWTJWKSFingerprint"
  | "authJWTClaimKey"
  | "authJWTExclude"
  | "authJWTIssuer"
  | "authJWTAudience"

/**
 * Fields for the top level of a config.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpAuthConfig {
  readonly global: Pick<MediaMTXConfig, HttpFields> & { readonly authMethod: "http" }
}

/**
 * Fields for the top level of a config.
 *
 * @since 0.1.0
 * @category models
 */
export interface JwtAuthConfig {
  readonly global: Pick<MediaMTXConfig, JwtFields> & { readonly authMethod: "jwt" }
}

const permissions = (list: ReadonlyArray<AuthPermission> = []): ReadonlyArray<AuthPermission> =>
  list.map((permission) => ({ ...permission }))

/**
 * MediaMTX asks an HTTP server, this manager or one of yours, about every session.
 *
 * @throws CommandTextError when `base` can't be such a URL
 * @example
 * ```ts
 * import { http } from "@livecams/mtx-manager/auth"
 *
 * http({ base: "https://example.com/auth" }).global.authHTTPAddress // https://example.com/auth
 * ```
 * @since 0.1.0
 * @category constructors
 */
export const http = (options: HttpAuthOptions): HttpAuthConfig => ({
  global: {
    authMethod: "http",
    authHTTPAddress: managerUrl(options.base, "", {
      node: options.node,
      token: Redacted.isRedacted(options.token) ? Redacted.value(options.token) : options.token
    }),
    ...(options.fingerprint === undefined ? {} : { authHTTPFingerprint: options.fingerprint }),
    authHTTPExclude: permissions(options.exclude)
  }
})

/**
 * MediaMTX checks signed tokens by itself, with public keys that it fetches once an hour.
 *
 * @throws CommandTextError when `jwks` can't be such a URL
 * @example
 * ```ts
 * import { jwt } from "@livecams/mtx-manager/auth"
 *
 * const auth = jwt({ jwks: "https://example.com/jwks.json", issuer: "https://example.com" })
 * const config = { ...auth.global, paths: { cam: {} } } satisfies MediaMTXConfig
 * ```
 * @since 0.1.0
 * @category constructors
 */
export const jwt = (options: JwtAuthOptions): JwtAuthConfig => ({
  global: {
    authMethod: "jwt",
    authJWTJWKS: managerUrl(options.jwks, "", {}, "jwks"),
    ...(options.fingerprint === undefined ? {} : { authJWTJWKSFingerprint: options.fingerprint }),
    authJWTClaimKey: options.claimKey ?? "mediamtx_permissions",
    authJWTExclude: permissions(options.exclude),
    ...(options.issuer === undefined ? {} : { authJWTIssuer: options.issuer }),
    ...(options.audience === undefined ? {} : { authJWTAudience: options.audience })
  }
})
