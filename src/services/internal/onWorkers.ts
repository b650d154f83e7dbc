/**
 * Whether this is Cloudflare's runtime.
 *
 * @internal
 */
export const onWorkers: boolean = typeof navigator !== "undefined" && navigator.userAgent === "Cloudflare-Workers"
